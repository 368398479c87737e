"""How many scenes a second are painted.

python bench/scenes.py [--size 32] [--count 4000] [--workers 2]
"""

import argparse
import time

from torch.utils.data import DataLoader, Dataset

from seealike.images.scenes import Scenes


class Painted(Dataset):
    def __init__(self, scenes: Scenes):
        self.scenes = scenes

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> int:
        self.scenes.read(index)
        return index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    scenes = Scenes(str(arguments.count), size=arguments.size)
    loader = DataLoader(Painted(scenes), batch_size=100, num_workers=arguments.workers, collate_fn=len)
    start = time.perf_counter()
    painted = sum(loader)
    rate = painted / (time.perf_counter() - start)
    print(f"{rate:.0f} scenes of {arguments.size} x {arguments.size} a second, {arguments.workers} workers")


if __name__ == "__main__":
    main()
