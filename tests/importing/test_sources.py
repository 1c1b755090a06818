import fsspec
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from favor.errors import FavorError
from favor.importing import sources as module
from favor.importing.releases import RELEASES
from favor.importing.sources import fetch

KINDS = RELEASES["video-salmonn-13b"].kinds


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that gives whatever is asked for, without the network, and notes it."""
    asked = []

    def file(repository, name):
        asked.append((repository, name))
        return str(tmp_path / name)

    def folder(repository, allow_patterns):
        asked.append((repository, tuple(allow_patterns)))
        return str(tmp_path)

    monkeypatch.setattr(module, "hf_hub_download", file)
    monkeypatch.setattr(module, "snapshot_download", folder)
    return asked


def test_a_path_that_exists_is_never_looked_up(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert-base-uncased").mkdir()
    assert str(fetch("bert-base-uncased", KINDS["bert"], "bert", tmp_path)) == "bert-base-uncased"
    assert hub == []


@pytest.mark.parametrize(
    ("given", "option", "asked"),
    [
        ("tsinghua-ee/Video-SALMONN", "delta", ("tsinghua-ee/Video-SALMONN", "pytorch_model_4_5001.pt")),
        ("someone/copies/BLIP2/eva_vit_g.pth", "eva", ("someone/copies", "BLIP2/eva_vit_g.pth")),
        ("someone/beats", "beats", ("someone/beats", "BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt")),
        ("someone/blip/blip.pth", "instructblip", ("someone/blip", "blip.pth")),
        ("bert-base-uncased", "bert", ("bert-base-uncased", ("vocab.txt",))),
    ],
)
def test_ids_of_the_hub(hub, tmp_path, given, option, asked):
    fetch(given, KINDS[option], option, tmp_path)
    assert hub == [asked]


def test_pickles_are_fetched_only_where_there_are_no_safetensors(hub, tmp_path):
    fetch("lmsys/vicuna-13b-v1.5", KINDS["llm"], "llm", tmp_path)
    assert [any(pattern.endswith(".bin") for pattern in patterns) for _, patterns in hub] == [False, True]
    (tmp_path / "model.safetensors").touch()
    fetch("lmsys/vicuna-13b-v1.5", KINDS["llm"], "llm", tmp_path)
    assert len(hub) == 3


def test_what_the_hub_does_not_give(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise LocalEntryNotFoundError("no\nconnection")

    monkeypatch.setattr(module, "snapshot_download", fail)
    with pytest.raises(FavorError, match=r"--llm: there is no file or folder a/b, and the hub .*: no connection"):
        fetch("a/b", KINDS["llm"], "llm", tmp_path)


@pytest.mark.parametrize("given", ["/no/where", "./nowhere", "~/nowhere", "a/b.pth", "nowhere.pt"])
def test_a_path_that_is_nowhere_is_not_asked_of_the_hub(hub, tmp_path, given):
    with pytest.raises(FavorError, match="there is no file or folder"):
        fetch(given, KINDS["eva"], "eva", tmp_path)
    assert hub == []


def test_of_a_folder_behind_a_url_only_what_is_used_is_copied(tmp_path):
    memory = fsspec.filesystem("memory")
    for name in ("config.json", "model.safetensors", "tokenizer.model", "README.md", "flax_model.msgpack"):
        memory.pipe(f"/vicuna/{name}", b"x")
    folder = fetch("memory://vicuna", KINDS["llm"], "llm", tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.model"]
    file = fetch("memory://vicuna/README.md", KINDS["delta"], "delta", tmp_path)
    assert file.read_bytes() == b"x"


def test_a_url_that_names_nothing(tmp_path):
    with pytest.raises(FavorError, match="--delta: memory://nowhere cannot be read"):
        fetch("memory://nowhere", KINDS["delta"], "delta", tmp_path)
