"""Packaging of FAVOR on Beam: four importable packages and the command ``favor``."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
SOURCE = (ROOT / "favor/__init__.py").read_text(encoding="utf-8")
VERSION = re.search(r'^__version__ = "(.+)"$', SOURCE, re.MULTILINE)[1]

SCENES = ["scenedetect-headless>=0.7.2,<0.8"]
S3 = ["s3fs>=2025.3"]
TRAIN = ["accelerate>=1.10,<2", "tensorboard>=2.18"]
STORES = [
    *S3,
    "moto[server,s3]>=5.2,<6",
    "boto3<1.43.118",  # moto alone would take one whose botocore is too new for the aiobotocore of s3fs
    "botocore<1.43.118",
    "gcp-storage-emulator>=2026.7.19",
]
DOCS = ["mkdocs-material>=9.7,<9.9", "mkdocstrings[python]>=1,<1.1"]
TEST = [*SCENES, *TRAIN, *STORES, "pytest>=8", "pytest-timeout>=2.3", "pytest-xdist>=3.7"]

setup(
    name="favor-on-beam",
    version=VERSION,
    description="Archives of videos into tables of captions, answers and transcripts, with FAVOR on Apache Beam",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    keywords=["video", "captioning", "question answering", "speech", "multimodal", "apache beam", "parquet"],
    license_expression="Apache-2.0 AND MIT AND MIT-Festival",
    license_files=[
        "LICENSE",
        "favor/weights/favor-mini/LICENSE-whisper.txt",
        "favor/synthetic/rendering/voice_bank/NOTICE",
    ],
    python_requires=">=3.11",
    packages=find_packages(
        include=["favor", "favor.*", "transforms", "transforms.*", "pipeline", "pipeline.*", "jobs", "jobs.*"]
    ),
    package_data={
        "favor": [
            "weights/**/*.json",
            "weights/**/*.md",
            "weights/**/*.txt",
            "weights/**/*.safetensors",
            "synthetic/rendering/voice_bank/*",
            "py.typed",
        ]
    },
    install_requires=[
        "apache-beam>=2.77,<3",
        "torch>=2.8,<2.14",
        "transformers>=5.20,<6",
        "tokenizers>=0.22",
        "huggingface_hub>=1",
        "peft>=0.18",
        "bitsandbytes>=0.50,<1",
        "safetensors>=0.5",
        "protobuf>=5",
        "sentencepiece>=0.2,<0.2.2",  # 0.2.2 and later need protobuf 7, which Beam excludes
        "av>=18.1,<19",
        "numpy>=2",
        "pillow>=10.1",  # the first with a scalable font of its own
        "duckdb>=1.4",
        "jiwer>=4,<5",
        "pandas>=2.2",
        "pyarrow>=18,<26",  # the range that Beam supports
        "fsspec>=2025.3",
        "gcsfs>=2025.3",
        "click>=8.1",
        "tqdm>=4.66",
    ],
    extras_require={
        "train": TRAIN,
        "test": TEST,
        "dev": [*TEST, "matplotlib>=3.9", *DOCS, "ruff>=0.14", "mypy>=1.18", "pre-commit>=4"],
        "docs": DOCS,
        "scenes": SCENES,
        "gcp": ["apache-beam[gcp]"],
        "s3": S3,
    },
    entry_points={"console_scripts": ["favor=favor.command:run_command"]},
    classifiers=[
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Video",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
