"""A MkDocs hook that keeps pages at their paths in the repository, so that relative links work there and on the site.

A page of ``docs/`` may link to ``../benchmarks/README.md``, and the README, which is the site's first page, to
``docs/models.md``. MkDocs itself takes pages only from one folder, and identifies them by their path inside it.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

# Everything that pages link to; files other than Markdown are copied to the site unchanged.
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
    """Replaces the pages that MkDocs has found in ``docs/`` by those of the repository."""
    root = Path(config.config_file_path).parent
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for path in sorted({path for pattern in PUBLISHED for path in root.glob(pattern)}):
        files.append(File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path)))
    return files
