"""The formats of a dataset: one file each, with a function that lays out the same stream of images below a folder."""

import json
from dataclasses import dataclass

from synthstudio.steps.export.formats import coco, fiftyone, imagefolder, kohya, table, webdataset
from synthstudio.steps.export.formats.stream import LayOut


@dataclass(frozen=True)
class Format:
    """What it is called, how it is laid out and loaded, and where its files lie, as patterns below the folder."""

    title: str
    lay_out: LayOut
    loading: str  # Python or a command; {folder} is the folder, as a literal
    says: str  # what a reader should know, beside that
    images: str = "*/*/*.png"
    tables: str = ""  # with a row of `metadata.COLUMNS` for every image
    splits: tuple[str, ...] = ("train", "validation", "test")
    mixed: bool = False  # whether it is read in the order it has, so that classes must not follow each other
    hub: str = ""  # the files of a split, where `datasets` reads them with our columns; {split} is its name

    def loaded_from(self, folder: str) -> str:
        """What loads it from a folder."""
        return self.loading.replace("{folder}", json.dumps(folder))


FORMATS: dict[str, Format] = {
    "imagefolder": Format(
        "Image folder, for datasets and torchvision",
        imagefolder.lay_out,
        "from datasets import load_dataset\n\ndataset = load_dataset({folder})",
        "`metadata.parquet` in each split says of every image what is known of it.",
        tables=f"*/{imagefolder.TABLE}",
        hub="{split}/**",
    ),
    "webdataset": Format(
        "WebDataset, tar shards",
        webdataset.lay_out,
        "import webdataset\n\n"
        'dataset = webdataset.WebDataset({folder} + "/train-000000.tar", shardshuffle=False).decode("pil")\n'
        'pairs = dataset.to_tuple("png", "cls")',
        "Shards of a split are numbered: `train-{000000..000003}.tar`. Its `.json` says what is known of an image.",
        images="*.tar",
        mixed=True,
    ),
    "kohya": Format(
        "kohya folder, to train a LoRA",
        kohya.lay_out,
        'accelerate launch train_network.py --caption_extension=".txt" --train_data_dir {folder}/img …',
        "Only the training split is here, for the scripts train on every image they find. A folder begins with how "
        "often its images are repeated, so that classes weigh alike; captions are prompts, and the class of a photo.",
        images=f"{kohya.FOLDER}/*/*.png",
        splits=("train",),
    ),
    "coco": Format(
        "COCO JSON",
        coco.lay_out,
        "from torchvision.datasets import CocoDetection\n\n"
        'dataset = CocoDetection({folder} + "/train", {folder} + "/annotations/train.json")',
        "COCO knows no class of a whole image: every image has one box, as large as itself.",
    ),
    "fiftyone": Format(
        "FiftyOne, classification",
        fiftyone.lay_out,
        "import fiftyone\n\n"
        "kind = fiftyone.types.FiftyOneImageClassificationDataset\n"
        'dataset = fiftyone.Dataset.from_dir(dataset_dir={folder} + "/train", dataset_type=kind)',
        "Each split is a dataset of its own. The label of an image has as attributes what is known of it.",
        images="*/data/*/*.png",
    ),
    "csv": Format(
        "CSV, one table",
        table.lay_out,
        'import pandas\n\nimages = pandas.read_csv({folder} + "/images.csv")',
        "`images.csv` names every file and says what is known of it; `class` is the name of what `label` numbers.",
        tables=table.TABLE,
    ),
}
