"""A hook of MkDocs: the site's pages keep their paths in the repository, so the same relative links work in both.

A page of ``docs/`` may link to ``../benchmarks/README.md``, and the README, which is the site's first page, to
``docs/models.md``. MkDocs itself takes pages from one folder only and knows them by their path inside it.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

# Whatever pages link to; what is no Markdown is copied to the site as it is.
PUBLISHED = (
    "*.md",
    "LICENSE",
    "docs/*.md",
    "benchmarks/**/*.md",
    "benchmarks/**/*.svg",
    "examples/*.py",
    "favor/synthetic/rendering/voice_bank/NOTICE",
    "favor/weights/favor-mini/*.md",
    "favor/weights/favor-mini/*.txt",
    "mini/*.md",
    "recipes/*.toml",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Puts the repository's pages in place of those that MkDocs has found in ``docs/``."""
    root = Path(config.config_file_path).parent
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for path in sorted({path for pattern in PUBLISHED for path in root.glob(pattern)}):
        files.append(File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path)))
    return files
