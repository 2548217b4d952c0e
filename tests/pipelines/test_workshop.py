"""What fails in the workshop on a disk without room says that, in words."""

import os
from pathlib import Path

import pytest

from contracts.errors import TipstreamError
from ml.pipelines import workshop
from ml.pipelines.rows import TooLittle
from ml.pipelines.workshop import API, NoRoom, WorkshopClosed
from services.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A HOME whose flows run on a server of somebody's own."""
    monkeypatch.setattr(os, "environ", os.environ | {API: "http://127.0.0.1:1/api"})
    return Settings(home=tmp_path)


@pytest.mark.parametrize("problem", [RuntimeError("500 Internal Server Error"), OSError(28, "full"), WorkshopClosed()])
def test_without_room_it_names_the_disk(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    with pytest.raises(type(problem)), workshop.workshop(settings):
        raise problem
    monkeypatch.setattr(workshop, "LEAST_ROOM", 2**62)
    said = rf"the disk of {settings.pipelines_dir} has [\d,]+ MB left.*make room and run it again"
    with pytest.raises(NoRoom, match=said), workshop.workshop(settings):
        raise problem


def test_an_error_in_words_of_its_own_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "LEAST_ROOM", 2**62)
    problem: TipstreamError = TooLittle("50 reactions are needed")
    with pytest.raises(TooLittle), workshop.workshop(settings):
        raise problem
