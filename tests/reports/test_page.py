"""The page: self-contained, unbreakable by file names, complete, light."""

import base64
import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import numpy as np
import pytest

from avmatch.core.files import script_json
from avmatch.core.matches import FurtherAudio, Match, MatchResult, Preview
from avmatch.core.results import Failure
from avmatch.reports.page import MOST_TO_CHECK, matrix_picture, page_html

HOSTILE = [
    "</script><img src=x onerror=alert(1)>.mp4",
    '"><svg onload=alert(1)>/clip.mp4',
    "' onmouseover='alert(1).mp4",
    "<!--<script>.mp4",
    "&lt;b&gt;&amp;.mp4",
    "${style} $data.mp4",
    "{{ style }} {% if data %} {# #}.mp4",
    "line\u2028break\nnew\x1b[31m.mp4",
]


@dataclass
class Page(HTMLParser):
    """What a browser would see."""

    tags: Counter = field(default_factory=Counter)
    attributes: list = field(default_factory=list)
    ids: list = field(default_factory=list)
    texts: dict = field(default_factory=dict)
    stack: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += attrs
        self.ids += [value for key, value in attrs if key == "id"]
        self.stack.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for key in {attributes.get("id", "") for _, attributes in self.stack}:
            self.texts[key] = self.texts.get(key, "") + data

    @property
    def matrix(self):
        return json.loads(self.texts["data"])


def read(result: MatchResult) -> Page:
    page = Page()
    page.feed(page_html(result))
    page.close()
    return page


def hostile_result(build, name: str) -> MatchResult:
    audio = f"a/{name}"
    return build(
        1,
        videos=(name,),
        audio=(audio,),
        matches=(
            Match(name, audio, 0.4, 1.0, -0.08, name, audio, 0.5),
            Match("v", None, 0.1, None, None, ""),
        ),
        unmatched_audio=(audio,),
        failures=(Failure(name, "open", name),),
        notes=(name,),
        settings={name: name, "cues": [name]},
        previews={name: Preview(1.0, b"\xff\xd8"), audio: Preview(1.0, None, (0.5,))},
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_break_out(build, name):
    harmless, hostile = read(hostile_result(build, "x/clip.mp4")), read(hostile_result(build, name))
    assert hostile.tags == harmless.tags
    assert {key for key, _ in hostile.attributes} == {key for key, _ in harmless.attributes}
    assert len(hostile.attributes) == len(harmless.attributes)
    shown = name.translate({0x2028: "�", 0x0A: "␊", 0x1B: "␛"})
    assert hostile.matrix["videos"] == [shown]
    assert shown in hostile.texts["notes"]


def test_script_json_reads_back_and_closes_nothing():
    value = {"name": "</script><!-- & \u2028", "score": float("nan")}
    text = script_json(value)
    assert "<" not in text
    assert json.loads(text) == {"name": "</script><!-- & \u2028", "score": None}


def test_loads_nothing_from_anywhere(build):
    text = page_html(build(3))
    page = read(build(3))
    assert "http://" not in text
    assert "https://" not in text
    references = [value for key, value in page.attributes if key in {"src", "href", "srcset", "action"}]
    assert references
    assert all(value.startswith(("data:", "#")) for value in references)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", text)


def test_policy_allows_exactly_our_script(build):
    text = page_html(build(1))
    script = text.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_doubtful_pairs_come_first_and_are_marked(build):
    result = build(4)  # confidences 0.2, 0.4, 0.6, 0.8
    page = read(result)
    order = [key for key in page.ids if re.fullmatch(r"v\d+", key)]
    assert order == ["v0", "v1", "v2", "v3"]
    shuffled = read(build(4, matches=result.matches[::-1]))
    assert [key for key in shuffled.ids if re.fullmatch(r"v\d+", key)] == order
    assert page.texts["pairs"].count("check") == 3
    assert "3 of them to check" in page.texts[""]


def test_row_tells_the_whole_decision(build):
    page = read(build(1))
    for text in ("v/clip 0.mp4", "a/take 0.wav", "120 ms late", "by motion", "50 %", "+5.0", "−2.0", "4.0 s"):
        assert text in page.texts["v0"]
    assert ("alt", "Still from clip 0.mp4") in page.attributes
    assert ("aria-label", "Loudness of take 0.wav, 1 min 15 s") in page.attributes


def test_what_has_no_match_is_said_plainly(build):
    alone = Match("v/clip 1.mp4", None, 0.07, None, None, "", "a/take 0.wav", -1.5)
    result = build(2, matches=(build(2).matches[0], alone), unmatched_audio=("a/take 0.wav",))
    page = read(result)
    assert "v/clip 1.mp4" in page.texts["videos-alone"]
    assert "7 %" in page.texts["videos-alone"]
    assert "a/take 0.wav" in page.texts["audio-alone"]
    assert "clip 1" not in page.texts["pairs"]


def test_failed_video_stands_among_the_errors_only(empty):
    failed = MatchResult(**(vars(empty) | {"failures": (Failure("broken.mp4", "open", "no index"),)}))
    page = read(failed)
    assert "no index" in page.texts["errors"]
    assert "videos-alone" not in page.texts
    assert "No pair was made." in page.texts["pairs"]
    assert "one side has no usable file" in page.texts[""]
    assert page.tags["canvas"] == 0


def test_no_audio_at_all(build):
    matches = tuple(Match(f"v/clip {i}.mp4", None, 0.0, None, None, "") for i in range(2))
    scores = np.zeros((2, 0), dtype=np.float32)
    page = read(build(2, audio=(), matches=matches, candidates=(), similarity=scores))
    assert "v/clip 1.mp4" in page.texts["videos-alone"]
    assert page.tags["canvas"] == 0


def test_scores_and_confidences_that_are_no_numbers(build):
    similarity = np.array([[np.nan, np.inf], [-np.inf, 2.0]], dtype=np.float32)
    strange = Match("v/clip 0.mp4", "a/take 1.wav", float("nan"), float("nan"), 0.0, "motion")
    result = build(2, similarity=similarity, matches=(build(2).matches[1], strange))
    page = read(result)
    assert sorted(str(cell) for row in page.matrix["cells"] for cell in row) == [
        "2.0",
        "None",
        "None",
        "None",
    ]
    assert page.ids.index("v0") < page.ids.index("v1")
    assert "nan" not in page.texts["pairs"]


def test_many_pairs_stay_light(build):
    page = page_html(build(500, thumbnail=bytes(5_000)))
    assert len(page) < 6_000_000
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert len(data["cells"]) == len(data["cells"][0]) == 256


def test_one_sound_for_several_videos_gives_unique_ids(build):
    matches = tuple(Match(f"v/clip {i}.mp4", "a/take 0.wav", 0.9, 5.0, i * 20.0, "motion") for i in range(3))
    page = read(build(3, matches=matches))
    assert len(page.ids) == len(set(page.ids))
    assert page.matrix["partners"] == [0, 0, 0]
    assert "40.0 s late" in page.texts["pairs"]


def test_tables_keep_their_roles(build):
    page = read(build(2))
    roles = Counter(value for key, value in page.attributes if key == "role")
    assert roles["table"] == page.tags["table"]
    assert roles["row"] == page.tags["tr"]
    assert roles["cell"] == page.tags["td"]
    assert roles["columnheader"] == page.tags["th"]


def test_what_is_to_check_fits_a_screen_and_leads_to_its_row(build):
    page = read(build(40))
    checked = [value for key, value in page.attributes if key == "href" and value.startswith("#v")]
    assert len(checked) == MOST_TO_CHECK
    assert page.texts["to-check"].count("pair ") == MOST_TO_CHECK
    assert {value.removeprefix("#") for value in checked} <= set(page.ids)
    assert checked[0] == "#v0", "the least sure first"
    assert "more" in page.texts["to-check"]


def test_an_unsure_offset_is_to_check_as_well(build):
    (match,) = build(1).matches
    sure = replace(match, confidence=0.99, offset_confidence=0.99)
    assert "to-check" not in read(build(1, matches=(sure,))).ids
    assert "offset 30 %" in read(build(1, matches=(replace(sure, offset_confidence=0.3),))).texts["to-check"]


def test_links_lead_from_the_page_to_the_files(build, tmp_path):
    folder = tmp_path / "OUT"
    name = str(tmp_path / "cards" / "a b#c%d.mp4")
    html = page_html(build(1, videos=(name,), matches=(replace(build(1).matches[0], video=name),)), folder)
    page = Page()
    page.feed(html)
    assert ("href", "./../cards/a%20b%23c%25d.mp4") in page.attributes


def test_a_name_is_no_address_of_its_own(build, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "javascript:alert(1)"
    page = Page()
    page.feed(page_html(build(1, videos=(name,), matches=(replace(build(1).matches[0], video=name),)), tmp_path))
    assert ("href", "./javascript%3Aalert%281%29") in page.attributes


def test_a_clip_has_its_place_in_a_long_recording(build):
    (match,) = build(1).matches
    page = read(build(1, matches=(replace(match, offset_seconds=15.0),)))  # 4 s of 75 s
    assert ("class", "place") in page.attributes
    assert ("x", "40.00") in page.attributes
    short = build(1, previews={"v/clip 0.mp4": Preview(70.0), "a/take 0.wav": Preview(75.0, None, (0.5,))})
    assert ("class", "place") not in read(short).attributes


def test_other_recordings_of_the_moment_stand_with_the_pair(build, tmp_path):
    (match,) = build(1).matches
    more = FurtherAudio("a/Z2<b>.wav", "continues", -4.2), FurtherAudio("a/tascam.wav", "also_fits", 0.35)
    html = page_html(build(1, matches=(replace(match, further=more),)), tmp_path)
    page = Page()
    page.feed(html)
    said = " ".join(page.texts["v0"].split())
    assert "the recorder split its file: a/Z2<b>.wav, 4200 ms early" in said
    assert "another recorder: a/tascam.wav, 350 ms late" in said
    assert "Z2<b>" not in html


def test_a_matrix_that_says_nothing_is_left_out(build):
    few = build(3, settings={"many": True})
    assert "matrix" not in read(few).ids
    assert read(few).matrix["cells"] == []
    assert "matrix" in read(build(3)).ids
    assert "matrix" in read(build(4, settings={"many": True})).ids


def test_pairs_that_look_alike_lie_side_by_side(build):
    result, kinds = build(60), np.arange(60) % 3
    similarity = result.similarity.copy()
    alike = kinds[:, None] == kinds[None, ::-1]  # video i has recording 59 − i
    similarity[alike] = np.maximum(similarity[alike], 2.0)
    picture = matrix_picture(replace(result, similarity=similarity))
    drawn = kinds[list(picture.rows)]
    assert np.count_nonzero(np.diff(drawn)) == 2
    assert picture.partners == tuple(range(60)), "the pairs stay on the diagonal"
