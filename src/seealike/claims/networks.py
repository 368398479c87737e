"""The networks of a folder, and which of them can stand together in a claim."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from seealike.claims.claim import DEPARTURES, Role
from seealike.claims.evidence import Answer

PAIRED = (("control", "crop"), ("control", "seed"))  # controls of one network each, that of their tag `seed`
REPEATS = ("seed", "checkpoint")  # tags that tell repeats of one network apart


@dataclass(frozen=True)
class Network:
    """One trained network, by its name in the study."""

    name: str
    source: str
    tags: tuple[tuple[str, str], ...]
    fingerprint: str = ""  # of its weights and operations

    @property
    def told(self) -> dict[str, str]:
        return dict(self.tags)

    @property
    def kind(self) -> tuple:
        """Alike for repeats of one network: its tags but for the seed, and its source where no tag tells repeats."""
        tags = self.told
        source = "" if any(tag in tags for tag in REPEATS) else self.source
        return source, tuple(sorted((tag, value) for tag, value in tags.items() if tag not in REPEATS))


Group = tuple[Network, ...]


def trained(answers: Iterable[Answer]) -> list[Network]:
    """Every trained network that some answer is about, and those that are untrained to be a control of these."""
    models: dict[str, Mapping] = {name: facts for answer in answers for name, facts in answer.models.items()}
    return [
        Network(
            name,
            str(facts.get("source", "")),
            tuple(sorted((facts.get("tags") or {}).items())),
            str(facts.get("fingerprint", "")),
        )
        for name, facts in models.items()
        if "untrained" not in str(facts.get("weights", "")) or "control" in (facts.get("tags") or {})
    ]


def cast(roles: tuple[Role, ...], networks: Iterable[Network]) -> Iterator[tuple[Group, ...]]:
    """Every way to fill the roles: with a group of repeats of one network each."""
    networks = list(networks)
    groups = [_groups([n for n in networks if role.fits(n.told)]) for role in roles]
    yield from (chosen for chosen in product(*groups) if _comparable(roles, [group[0] for group in chosen]))


def together(roles: tuple[Role, ...], chosen: tuple[Group, ...]) -> Iterator[Group]:
    """Every network of each role with every one of the others; of fine-tuned ones, only those of one seed.

    A network that was fine-tuned is compared with the one that it came from, and not with a repeat of that.
    """
    for networks in product(*chosen):
        seeds = {network.told["seed"] for network in networks if "seed" in network.told}
        if not descends(roles) or len(seeds) <= 1:
            yield networks


def descends(roles: tuple[Role, ...]) -> bool:
    """Whether networks of some of the roles belong to those of others: fine-tuned from them, or controls of them."""
    return any((tag, want) in PAIRED or tag == "finetuned" for role in roles for tag, want in role.tags)


def _groups(networks: list[Network]) -> list[Group]:
    """Repeats of one network each; the same weights under a second name are no repeat, and apart."""
    kinds: dict[tuple, list[Network]] = {}
    for network in networks:
        own = network.fingerprint or network.name
        copies = sum((n.fingerprint or n.name, n.kind) == (own, network.kind) for k in kinds.values() for n in k)
        kinds.setdefault((network.kind, copies), []).append(network)
    return [tuple(group) for group in kinds.values()]


def _comparable(roles: tuple[Role, ...], networks: list[Network]) -> bool:
    """Different networks; those of one family and size differ in nothing but what the roles name.

    Where several roles want a tag whatever its value, its value is the same: as little data for both.
    """
    if len({network.name for network in networks}) < len(networks):
        return False
    for tag in {tag for role in roles for tag, want in role.tags if want is ...}:
        if len({n.told[tag] for role, n in zip(roles, networks, strict=True) if (tag, ...) in role.tags}) > 1:
            return False
    free = {tag for role in roles for tag, _ in role.tags} | {*REPEATS, *DEPARTURES}
    designs: dict[tuple, set] = {}
    for role, network in zip(roles, networks, strict=True):
        rest = frozenset((tag, value) for tag, value in network.tags if tag not in free)
        design = tuple(dict(role.tags).get(tag) for tag in ("family", "size"))
        designs.setdefault(design, set()).add(rest)
    return all(len(others) == 1 for others in designs.values())
