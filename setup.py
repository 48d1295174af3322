"Packaging. Every value is read from `settings.ini`, the one place that nbdev reads too."
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
parser = ConfigParser(delimiters=["="])
parser.read(here/"settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]

extras = {k.removesuffix("_requirements"): v.split() for k, v in cfg.items() if k.endswith("_requirements")}
extras["all"] = sorted({r for k in ("face", "speech", "text", "apps") for r in extras[k]})

setup(
    name=cfg["lib_name"], version=cfg["version"], description=cfg["description"], author=cfg["author"],
    author_email=cfg["author_email"], url=cfg["git_url"], license="Apache-2.0", keywords=cfg["keywords"],
    long_description=(here/"README.md").read_text(encoding="utf-8") if (here/"README.md").exists() else "",
    long_description_content_type="text/markdown",
    packages=find_packages(include=["camels", "camels.*"]), include_package_data=True,
    package_data={"camels": ["assets/**/*", "assets/*"]},
    python_requires=f">={cfg['min_python']},<3.13", install_requires=cfg["requirements"].split(), extras_require=extras,
    entry_points={"console_scripts": cfg["console_scripts"].split()}, zip_safe=False,
    classifiers=["Development Status :: 3 - Alpha", "Intended Audience :: Science/Research",
                 "License :: OSI Approved :: Apache Software License", "Programming Language :: Python :: 3.11",
                 "Programming Language :: Python :: 3.12"],
)
