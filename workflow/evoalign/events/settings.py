"""Settings of aligning presentations."""

from __future__ import annotations

from evoalign.settings import Section, setting


class Events(Section):
    """Event words, photodiode and clocks -> presentations."""

    onset_words: tuple[int, int] = setting((101, 199), "first and last word that can mean image-on")
    offset_words: tuple[int, int] = setting((201, 299), "first and last word that can mean image-off")
    fixation_word: int = setting(5, "image words count only after this word of the trial; -1: always")
    trial_start_word: int = setting(9, "word that starts a trial (sent three times)")
    trial_end_word: int = setting(18, "word that ends a trial (sent three to four times)")
    display_delay_ms: float = setting(
        0.0, "word to light on the screen, used where no photodiode is", ge=0, le=200
    )
    photodiode_max_delay_ms: float = setting(
        50.0, "a photodiode crossing later than this after its word is not its own", gt=1, le=500
    )
    min_matched: float = setting(
        0.9, "refuse a session when a smaller share of presentations matches", ge=0, le=1
    )
    max_residual_ms: float = setting(
        10.0,
        "refuse a session when the 99th percentile of the clock fit's residual is larger",
        gt=0.001,
        le=1000,
    )
    image_pattern: str = setting(
        "", "regular expression with groups block, thread, index; '' = the study's own names"
    )
    image_field: str = setting(
        "", "MonkeyLogic field of a trial that names its images, as UserVars.imageName; '' = look for it"
    )
    header_words: tuple[int, ...] = setting(
        (201, 202), "words of a trial's head that a number follows (block, trial): it is no word itself"
    )
    word_mask: int = setting(
        65_535, "bits of the digital input that carry the word: 255 when the upper byte is wired high", ge=1
    )
    max_drift_ppm: float = setting(
        500.0, "two clocks that differ by more in rate are not those of one session", gt=0, le=5000
    )
    photodiode_min_delay_ms: float = setting(
        -5.0, "a crossing may come this long before its word, which is sent after the flip", ge=-100, le=0
    )
    photodiode_bridge_ms: float = setting(
        0.0, "dark gaps up to this length are the screen's refresh, not an offset (CRT: 20)", ge=0, le=200
    )
    recorded_ms: float = setting(250.0, "recording must go on for this long after image onset", ge=0, le=5000)
