"""The verbs that look at a vocabulary, through `wit` itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.cli import main
from tests.archives import write_warc
from tests.pairs import matched
from tests.vocab import making
from tests.vocab.queries import SMALL, UNIGRAM
from vocab.vocabulary import open_vocabulary, write_vocabulary
from wit_builder import manifest
from wit_builder.parts import PartSummary, part_path, write_table
from wit_builder.records import Query

WIT = Path(sys.executable).with_name("wit")


@pytest.fixture(scope="module")
def built(wordnet: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A vocabulary as `wit vocab build` leaves it."""
    folder = making.write(tmp_path_factory.mktemp("built"))
    write_vocabulary(SMALL, folder, wordnet)
    return folder


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Verbs:
    """Runs `wit vocab` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def lines(self, *arguments: str) -> list[str]:
        """Give what a verb prints into a pipe."""
        with pytest.raises(SystemExit) as ended:
            main(["vocab", *arguments])
        shown = self._capsys.readouterr()
        assert (ended.value.code, shown.err) == (0, "")
        return shown.out.splitlines()

    def json(self, *arguments: str) -> Any:
        """Give what it prints with --json."""
        [line] = self.lines(*arguments, "--json")
        return json.loads(line)

    def refused(self, *arguments: str) -> str:
        """Give the one line of a user's mistake."""
        with pytest.raises(SystemExit) as ended:
            main(["vocab", *arguments])
        shown = self._capsys.readouterr()
        assert (ended.value.code, shown.out) == (2, "")
        return shown.err.strip()


@pytest.fixture
def wit(capsys: pytest.CaptureFixture[str]) -> Verbs:
    return Verbs(capsys)


def run(*arguments: str, text: bytes = b"", **environment: str) -> str:
    done = subprocess.run(
        [WIT, "vocab", *arguments],
        input=text,
        capture_output=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_stats_in_a_pipe(built: str, wit: Verbs) -> None:
    digest = open_vocabulary(built).digest
    shown = wit.lines("stats", built)
    assert shown[:24] == [
        f"6 queries, digest {digest}",
        "",
        "source\tqueries",
        "unigram\t3",
        "bigram\t1",
        "title\t2",
        "wordnet_lemma\t3",
        "",
        "sources\tqueries",
        "unigram\t2",
        "title\t1",
        "wordnet_lemma\t1",
        "unigram, wordnet_lemma\t1",
        "bigram, title, wordnet_lemma\t1",
        "",
        "words\tqueries",
        "1\t4",
        "2\t2",
        "",
        "count\tqueries",
        "1-9\t1",
        "100-999\t2",
        "1,000-9,999\t1",
        "",
    ]
    names = ["matcher.arrow", "ontology.arrow", "queries.json", "queries.parquet"]
    assert shown[24:] == ["file\tbytes", *(f"{name}\t{Path(built, name).stat().st_size}" for name in names)]


def test_stats_as_json(built: str, wit: Verbs) -> None:
    facts = wit.json("stats", built)
    assert facts["queries"] == 6
    assert facts["by_words"] == {"1": 4, "2": 2}
    assert facts["by_count"] == [[1, 9, 1], [100, 999, 2], [1000, 9999, 1]]
    assert facts["bytes"]["queries.parquet"] == Path(built, "queries.parquet").stat().st_size


def test_stats_count_what_is_of_a_kind(built: str, wit: Verbs) -> None:
    table = pa.Table.from_batches([matched([("http://a", [0, 3]), ("http://b", [1]), ("http://c", [0, 2])])])
    write_table(part_path("pairs", 0, 1), table, PartSummary(3, 3))
    kinds = ("--kind", "animal", "--kind", "city.n.01", "--kind", "entity")
    assert wit.lines("stats", built, *kinds, "--pairs", "pairs") == [
        "kind\tsynset\tqueries\tpairs",
        "animal\tanimal.n.01\t1\t2",
        "city.n.01\tcity.n.01\t1\t1",
        "entity\tentity.n.01\t4\t3",
    ]
    assert wit.json("stats", built, "--kind", "animal") == {
        "kinds": [{"kind": "animal", "synset": "animal.n.01", "queries": 1}]
    }


def test_show_tells_all_of_a_query(built: str, wit: Verbs) -> None:
    shown = wit.lines("show", built, "New-York")
    assert shown[:10] == [
        "id\tquery\tsources\tcount\tPMI\tviews",
        "2\tnew york\tbigram, title, wordnet_lemma\t120\t7.5\t90",
        "",
        "source\treason",
        "bigram\toccurs 120 times, PMI 7.50 bits; --max-bigrams is 1,000",
        "title\tviewed 90 times; --min-pageviews is 70",
        "wordnet_lemma\ta word of WordNet",
        "",
        "synset\twords\tgloss\tkind of",
        "new_york.n.01\tNew York, New York City, Greater New York\t"
        "the largest city in New York State and in the United States; located in southeastern New York at "
        "the mouth of the Hudson river; a major financial and cultural center\t"
        "city < municipality < administrative district < district < region < location < object "
        "< physical entity < entity; city < municipality < urban area < geographical area < region "
        "< location < object < physical entity < entity; port of entry < port < geographic point < point "
        "< location < object < physical entity < entity",
    ]


def test_show_as_json(built: str, wit: Verbs) -> None:
    facts = wit.json("show", built, "dog")
    assert {name: facts[name] for name in ("query_id", "query", "sources", "count")} == {
        "query_id": 0,
        "query": "dog",
        "sources": ["unigram", "wordnet_lemma"],
        "count": 1200,
    }
    assert facts["why"]["unigram"] == "occurs 1,200 times; --min-count is 100"
    assert [synset["name"] for synset in facts["synsets"][:2]] == ["dog.n.01", "frump.n.01"]
    assert facts["synsets"][0]["hypernym_paths"][0][-3:] == [
        "animal.n.01",
        "domestic_animal.n.01",
        "dog.n.01",
    ]


def test_show_says_why_a_text_is_no_query(built: str, wit: Verbs) -> None:
    assert wit.lines("show", built, "Hot", "day") == [
        "'hot day' is no query of this vocabulary",
        "",
        "source\treason",
        "bigram\toccurs 100 times, PMI 3.32 bits, the lowest kept is 4.00; --max-bigrams is 1,000",
        "title\tviewed fewer than 7 times; --min-pageviews is 70",
        "wordnet\tWordNet does not have it",
    ]
    facts = wit.json("show", built, "dogg")
    assert facts == {
        "query_id": None,
        "query": "dogg",
        "why_not": {
            "unigram": "occurs fewer than 10 times; --min-count is 100",
            "title": "viewed fewer than 7 times; --min-pageviews is 70",
            "wordnet": "WordNet does not have it",
        },
        "near": ["dog"],
        "synsets": [],
    }


def test_search_lists_what_a_pattern_finds(built: str, wit: Verbs) -> None:
    head = "id\tquery\tsources\tcount\tPMI\tviews"
    assert wit.lines("search", built, "Dog") == [
        head,
        "0\tdog\tunigram, wordnet_lemma\t1200\t\t",
        "3\tdog days\ttitle\t\t\t80",
    ]
    assert wit.lines("search", built, "*york", "--limit", "1") == [head, "1\tyork\tunigram\t150\t\t"]
    assert wit.lines("search", built, "cat") == [head]
    facts = wit.json("search", built, "^[dn]", "--regex", "--limit", "2")
    assert facts["found"] == 4
    assert [query["query"] for query in facts["queries"]] == ["dog", "new york"]


def test_match_brackets_the_queries_of_a_text(built: str, wit: Verbs) -> None:
    assert wit.lines("match", built, "Dog", "days", "in", "New-York", "State") == [
        "[Dog days] in [New-York] State",
        "  queries: dog, york, new york, dog days",
    ]
    assert wit.json("match", built, "a", "DOG") == {
        "text": "a DOG",
        "query_ids": [0],
        "queries": ["dog"],
        "spans": [[2, 5]],
    }


def test_one_text_and_many_are_matched_alike(built: str, wit: Verbs) -> None:
    texts = ["Dog days in New-York", "don\u2019t", "York's new york", "\u2603", "cafe\u0301 dog dogs"]
    many = run("match", built, "--json", text="\n".join(texts).encode()).splitlines()
    assert [json.loads(line) for line in many] == [wit.json("match", built, text) for text in texts]


def test_match_reads_lines_and_parquet(built: str, wit: Verbs) -> None:
    shown = run("match", built, text="A dog\r\nnothing\n\nCAF\u00c9!".encode())
    assert shown.splitlines() == [
        "A [dog]",
        "  queries: dog",
        "nothing",
        "  queries: none",
        "",
        "  queries: none",
        "[CAF\u00c9]!",
        "  queries: caf\u00e9",
    ]
    pq.write_table(pa.table({"caption": ["my dog", None]}), "texts.parquet")
    assert wit.lines("match", built, "--parquet", "texts.parquet", "--column", "caption") == [
        "my [dog]",
        "  queries: dog",
        "",
        "  queries: none",
    ]


def test_a_terminal_gets_tables_bars_and_colours(built: str) -> None:
    marked = run("match", built, "a", "dog", FORCE_COLOR="1", COLUMNS="100")
    assert "a \x1b[1;30;43mdog\x1b[0m" in marked
    shown = run("stats", built, FORCE_COLOR="1", COLUMNS="100")
    assert "┃" in shown
    assert "█" * 30 in shown
    assert '"queries"' in run("stats", built, "--json", FORCE_COLOR="1", COLUMNS="100")


def test_diff_counts_and_gives_examples(built: str, wit: Verbs) -> None:
    other = [SMALL[1], SMALL[0], Query(2, "new york", SMALL[2].sources[:1], count=130, pmi=7.5), SMALL[5]]
    cat = Query(4, "cat", (UNIGRAM,), count=100)
    write_vocabulary(
        [
            Query(row, query.query, query.sources, query.count, query.pmi, query.pageviews)
            for row, query in enumerate([*other, cat])
        ],
        "other",
    )
    assert wit.lines("diff", built, "other") == [
        "difference\tqueries",
        "same\t3",
        "added\t1",
        "removed\t2",
        "changed\t1",
        "",
        "difference\tquery\tchange",
        "added\tcat\t",
        "removed\tdog days\t",
        "removed\tcaf\u00e9\t",
        "changed\tnew york\t"
        "sources bigram, title, wordnet_lemma -> bigram; count 120 -> 130; pageviews 90 -> none",
    ]
    assert wit.lines("diff", built, built, "--examples", "0")[1:] == [
        "same\t6",
        "added\t0",
        "removed\t0",
        "changed\t0",
    ]
    assert wit.json("diff", built, "other", "--examples", "0") == {
        "same": 3,
        "added": 1,
        "removed": 2,
        "changed": 1,
        "queries": {
            "added": ["cat"],
            "removed": ["dog days", "caf\u00e9"],
            "changed": {
                "new york": {
                    "sources": [["bigram", "title", "wordnet_lemma"], ["bigram"]],
                    "count": [120, 130],
                    "pageviews": [90, None],
                }
            },
        },
    }


def test_a_sample_is_the_same_every_time(built: str, wit: Verbs) -> None:
    first = wit.json("sample", built, "3", "--seed", "5")
    assert [query["query"] for query in first["queries"]] == ["york", "don't", "caf\u00e9"]
    assert wit.json("sample", built, "3", "--seed", "5") == first
    assert wit.lines("sample", built, "9", "--source", "bigram")[1:] == [
        "2\tnew york\tbigram, title, wordnet_lemma\t120\t7.5\t90"
    ]


def test_plots_are_the_same_every_time(built: str, wit: Verbs) -> None:
    for name in ("a.png", "b.png", "a.svg", "b.svg"):
        assert wit.lines("plot", built, name) == [f"6 queries drawn in {name}"]
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert Path("a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()
    texts = {element.text for element in ElementTree.parse("a.svg").iter("{http://www.w3.org/2000/svg}text")}
    assert {"Frequency by rank", "unigram", "wordnet_lemma", "words"} <= texts


def test_export_writes_what_import_reads(built: str, wit: Verbs) -> None:
    for form, name in (("metaclip", "queries.json"), ("txt", "queries.txt")):
        assert wit.lines("export", built, name, "--format", form) == [f"6 queries written to {name}"]
        assert wit.lines("import", name, f"from_{form}") == [f"6 queries of 6 texts in from_{form}"]
        assert open_vocabulary(f"from_{form}").texts == open_vocabulary(built).texts
    wit.lines("export", built, "all.json")
    assert json.loads(Path("all.json").read_bytes())[3] == {
        "query_id": 3,
        "query": "dog days",
        "sources": ["title"],
        "count": None,
        "pmi": None,
        "pageviews": 80,
    }
    wit.lines("export", built, "all.csv", "--format", "csv")
    assert Path("all.csv").read_text().splitlines()[3] == "2,new york,bigram|title|wordnet_lemma,120,7.5,90"


def test_an_imported_list_is_a_vocabulary_like_any_other(wit: Verbs) -> None:
    Path("list.txt").write_text("Dog\nred square\n!!\ndog\n")
    assert wit.json("import", "list.txt", "vocab") == {
        "output": "vocab",
        "queries": 2,
        "dropped": {"empty": 1, "duplicate_query": 1},
        "imported": True,
        "vocabulary_digest": open_vocabulary("vocab").digest,
    }
    assert wit.lines("import", "list.txt", "vocab") == [
        "2 queries of 4 texts in vocab; dropped: duplicate_query 1, empty 1"
    ]
    assert wit.lines("show", "vocab", "dog") == [
        "id\tquery\tsources\tcount\tPMI\tviews",
        "0\tdog\t\t\t\t",
        "",
        "source\treason",
        "imported\tin the list that was imported",
    ]
    assert wit.json("show", "vocab", "cat")["why_not"] == {"imported": "not in the list that was imported"}
    assert wit.lines("stats", "vocab")[2:4] == ["sources\tqueries", "imported\t2"]
    wit.lines("plot", "vocab", "plot.svg")
    write_warc(Path("a.warc.gz"), [("http://site/", '<img src="/a.jpg" alt="a red square">')])
    for verb in (
        ("candidates", "--archives", "a.warc.gz", "--output", "candidates"),
        ("match", "--candidates", "candidates", "--vocabulary", "vocab", "--output", "match"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(list(verb))
        assert ended.value.code == 0
    assert pq.read_table(part_path("match", 0, 1)).column("matched_query_ids").to_pylist() == [[1]]


def test_an_import_can_have_the_ontology(wordnet_folder: Path, wit: Verbs) -> None:
    Path("list.txt").write_text("dog\ncat\nsquare\n")
    wit.lines("import", "list.txt", "vocab", "--ontology", "--wordnet-folder", str(wordnet_folder))
    assert wit.lines("stats", "vocab", "--kind", "animal")[1:] == ["animal\tanimal.n.01\t2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stats", "gone"], "gone holds no finished vocabulary (SHA256SUMS); run `wit vocab build`"),
        (["stats", "BUILT", "--kind", "animall"], "no synset and no word 'animall'; name one such as animal"),
        (["stats", "BUILT", "--pairs", "x"], "--pairs counts the pairs of a kind; give --kind"),
        (["stats", "BUILT", "--kind", "animal", "--pairs", "gone"], "gone has no part-*.parquet"),
        (["stats", "BUILT", "--kind", "animal", "--pairs", "other"], "other has no column matched_query_ids"),
        (["stats", "plain", "--kind", "animal"], "plain has no ontology.arrow: it was made without WordNet"),
        (["show", "gone", "dog"], "gone holds no finished vocabulary"),
        (["show", "BUILT", "!!"], "'!!' has no word; give a word or several"),
        (["show", "damaged", "dog"], "damaged/queries.parquet is damaged"),
        (
            ["search", "BUILT", "(", "--regex"],
            "'(' is no regular expression (missing ): ()",
        ),
        (["search", "BUILT", "d", "--limit", "0"], "limit is 0; use 1 or more"),
        (["search", "BUILT", ""], "the pattern is empty"),
        (["match", "BUILT", "--parquet", "gone.parquet"], "gone.parquet does not exist"),
        (["match", "BUILT", "--parquet", "list.txt"], "list.txt is not a readable Parquet file"),
        (["match", "BUILT", "--parquet", "n.parquet"], "n.parquet has no column 'text'"),
        (
            ["match", "BUILT", "--parquet", "n.parquet", "--column", "n"],
            "column 'n' of n.parquet holds int",
        ),
        (
            ["match", "BUILT", "dog", "--parquet", "n.parquet"],
            "both a text and --parquet n.parquet",
        ),
        (["diff", "BUILT", "gone"], "gone holds no finished vocabulary"),
        (["diff", "BUILT", "plain", "--examples", "-1"], "examples is -1; use 0 or more"),
        (["plot", "BUILT", "a.pdf"], "a.pdf ends in neither .png nor .svg"),
        (
            ["export", "BUILT", "out", "--format", "xml"],
            "format is 'xml'; use one of json, txt",
        ),
        (["export", "BUILT", "list.txt/out"], "cannot write into list.txt"),
        (["import", "gone.txt", "new"], "gone.txt does not exist"),
        (["import", "plain", "new"], "plain is a folder; name a file"),
        (["import", "latin1.txt", "new"], "latin1.txt is not UTF-8 at byte 3; convert it"),
        (["import", "object.json", "new"], "object.json holds a JSON dict"),
        (["import", "empty.txt", "new"], "no text of empty.txt has a word"),
        (["import", "list.txt", "other"], "other holds files of something else"),
        (["import", "list.txt", "new", "--ontology", "--wordnet-folder", "gone"], "apt install wordnet-base"),
        (["sample", "BUILT", "0"], "the sample's size is 0; give at least 1"),
        (
            ["sample", "BUILT", "5", "--source", "titles"],
            "no source 'titles'; use one of unigram",
        ),
        (["sample", "BUILT", "5", "--seed", "-1"], "seed is -1; use 0 to 18446744073709551615"),
        (["sample", "BUILT", "5", "--", "--runner=x"], "wit vocab sample takes no Beam options (--runner=x)"),
    ],
)
def test_a_users_mistake_is_one_clear_line(
    arguments: list[str], message: str, built: str, wit: Verbs
) -> None:
    for folder in ("plain", "damaged"):
        write_vocabulary(SMALL, folder)
    Path("damaged/queries.parquet").write_bytes(b"PAR1")
    Path("list.txt").write_text("dog\n")
    Path("latin1.txt").write_bytes(b"caf\xe9\n")
    Path("object.json").write_text('{"dog": 1}')
    Path("empty.txt").write_text("!!\n\n")
    write_table(part_path("other", 0, 1), pa.table({"n": [1]}), PartSummary(1, 1))
    pq.write_table(pa.table({"n": [1]}), "n.parquet")
    line = wit.refused(*[built if word == "BUILT" else word for word in arguments])
    assert message in line
    assert "\n" not in line
    assert not Path("new/_SUCCESS").exists()


def test_lines_that_are_not_utf8_are_named(built: str) -> None:
    done = subprocess.run(
        [WIT, "vocab", "match", built], input=b"dog\ncaf\xe9\n", capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.decode() == "wit: line 2 of standard input is not UTF-8; convert it\n"


@pytest.mark.parametrize(
    "arguments", [("show", "BUILT", "dog"), ("stats", "BUILT", "--kind", "animal"), ("match", "BUILT", "dog")]
)
def test_looking_loads_nothing_heavy(arguments: tuple[str, ...], built: str) -> None:
    words = ["wit", "vocab", *(built if word == "BUILT" else word for word in arguments)]
    code = (
        f"import contextlib, sys; sys.argv = {words!r}; from pipelines.cli import main\n"
        "with contextlib.suppress(SystemExit): main()\n"
        "heavy = {'apache_beam', 'torch', 'nltk', 'pandas', 'numba', 'matplotlib'} & sys.modules.keys()\n"
        "print(heavy, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"
    assert "dog" in done.stdout or "animal" in done.stdout


def test_a_manifest_of_a_list_is_its_own(wit: Verbs) -> None:
    Path("list.txt").write_text("dog\n")
    wit.lines("import", "list.txt", "vocab")
    told = manifest.require_complete("vocab", "vocab")
    assert (told["counts"]["rows_in"], told["counts"]["rows_out"]) == (1, 1)
    Path("list.txt").write_text("dog\ncat\n")
    assert "vocab holds another run: its input list was" in wit.refused("import", "list.txt", "vocab")
