"""Stages that are kept: each one's output in a folder of its own, found again by what it was made from.

A stage is named by the digest of its key: inputs, parameters, versions. Its output is written in parts, each
put in place by one rename, and its description last; so a stage that has one is complete, and one that has
not goes on behind the last part, whatever ended the process that wrote it.
"""

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from archetypal_triplet.runs._model import sha256_of
from archetypal_triplet.runs._results import plain

STORE_FILE = "stages.json"
STAGE_FILE = "stage.json"
KEY_FILE = "key.json"
LOCK_FILE = "lock"
_DIGITS = 12
_N_SHOWN = 3
_N_THREADS = 8


class StageStore:
    """A folder of stages.

    Parameters
    ----------
    folder : str or Path
        Where they are kept. It is made when the first stage begins.

    Raises
    ------
    FileNotFoundError
        If the folder above does not exist.
    FileExistsError
        If `folder` is a file, or holds something that is no stage.
    PermissionError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from archetypal_triplet.runs._stages import StageStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = StageStore(folder + "/stages")
    ...     stage = store.stage("sums", {"of": [1, 2]})
    ...     before = stage.state
    ...     with store.locked():
    ...         stage.begin()
    ...         stage.write_part(0, {"sum": 3})
    ...         stage.finish({"n": 1})
    ...     again = StageStore(folder + "/stages").stage("sums", {"of": [1, 2]})
    ...     before, again.state, again.facts, again.read_part(0)["sum"].item()
    ('absent', 'finished', {'n': 1}, 3)
    """

    def __init__(self, folder):
        self.folder = Path(folder).expanduser().resolve()
        shown = f"work={str(self.folder)!r} (--work)"
        if not self.folder.parent.is_dir():
            raise FileNotFoundError(
                f"{shown}: the folder {str(self.folder.parent)!r} does not exist. "
                "Create it, or choose another place."
            )
        if self.folder.exists():
            strange = not self.folder.is_dir() or (
                any(self.folder.iterdir()) and not (self.folder / STORE_FILE).is_file()
            )
            if strange:
                raise FileExistsError(
                    f"{shown} is a file, or a folder that holds something else than the stages of a run. "
                    "Choose another place."
                )

        above = self.folder if self.folder.exists() else self.folder.parent
        if not os.access(above, os.W_OK | os.X_OK):
            raise _not_writable(self.folder, "Permission denied")

    def stage(self, name, key):
        """Return the stage of this name that is made from `key`, whether it is there or not."""
        return Stage(self, name, plain(key))

    def stages(self):
        """List the folders of all stages that are there, with their name, key and size in bytes."""
        found = []
        for path in sorted(self.folder.glob(f"*/{KEY_FILE}")):
            with path.open(encoding="utf-8") as lines:
                about = json.load(lines)
            found.append({**about, "folder": path.parent, "bytes": folder_size(path.parent)})
        return found

    def remove_stages(self):
        """Remove all stages; only for who holds the lock."""
        for path in self.folder.glob(f"*/{KEY_FILE}"):
            shutil.rmtree(path.parent)

    def clear(self):
        """Remove all stages, and the folder if nothing else is in it."""
        if not self.folder.is_dir():
            return
        self.remove_stages()
        for name in (STORE_FILE, LOCK_FILE):
            (self.folder / name).unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    @contextmanager
    def locked(self):
        """Make the folder, and keep other processes out of it; a process that ends lets go of it.

        Raises
        ------
        BlockingIOError
            If another process works there.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            write_atomically(self.folder / STORE_FILE, b'{"format": "archetypal-triplet stages"}\n')
        except OSError as error:
            raise _not_writable(self.folder, error.strerror) from error
        with (self.folder / LOCK_FILE).open("w") as lock:
            _lock(lock, self.folder)
            yield self


class Stage:
    """One stage: what it is made from, how far it is, its output.

    Parameters
    ----------
    store : StageStore
        Where it is kept.
    name : str
        Its name.
    key : dict
        All that its output depends on, as JSON knows it.

    Attributes
    ----------
    digest : str
        Of name and key.
    folder : Path
        Its output.
    """

    def __init__(self, store, name, key):
        self.store, self.name, self.key = store, name, key
        text = json.dumps([name, key], sort_keys=True, allow_nan=False)
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self.folder = store.folder / f"{name}-{self.digest[:_DIGITS]}"

    @property
    def state(self):
        """Either "finished", "begun" or "absent"."""
        if self._complete():
            return "finished"
        return "begun" if (self.folder / KEY_FILE).is_file() else "absent"

    @property
    def facts(self):
        """What was said of the stage when it was finished."""
        return json.loads((self.folder / STAGE_FILE).read_text(encoding="utf-8"))["facts"]

    def begin(self):
        """Make the folder, or find what an earlier process has left in it."""
        self.folder.mkdir(exist_ok=True)
        about = {"name": self.name, "digest": self.digest, "key": self.key}
        (self.folder / STAGE_FILE).unlink(missing_ok=True)
        write_atomically(self.folder / KEY_FILE, json.dumps(about, indent=1).encode())

    def has_part(self, number):
        """Tell whether a part is there."""
        return self._part(number).is_file()

    def write_part(self, number, arrays):
        """Write arrays and texts as one part; it is there completely or not at all."""
        with _replacing(self._part(number)) as file:
            np.savez(file, **arrays)

    def read_part(self, number):
        """Read the arrays of a part."""
        with np.load(self._part(number), allow_pickle=False) as part:
            return dict(part)

    def remove_parts(self):
        """Remove all parts: of a stage that has joined them, or that cannot use them."""
        for path in self.folder.glob("part-*.npz"):
            path.unlink()

    def finish(self, facts, files=()):
        """Say that the stage is complete.

        Parameters
        ----------
        facts : dict
            What is to be known of it.
        files : iterable of str
            Names of its output in its folder; the stage counts as complete as long as these have the size
            that they have now.
        """
        sizes = {name: (self.folder / name).stat().st_size for name in files}
        about = {"facts": plain(facts), "sizes": sizes}
        write_atomically(self.folder / STAGE_FILE, json.dumps(about, indent=1, allow_nan=False).encode())

    def explain(self):
        """Say in words why nothing is there that could be used: what differs from the stages that are.

        Returns
        -------
        str or None
            None if there is no other stage of this name.
        """
        others = [one for one in self.store.stages() if one["name"] == self.name]
        if not others:
            return None
        changes = [_differences(one["key"], self.key) for one in others]
        fewest = min(changes, key=len)
        if not fewest:
            return "the earlier one is damaged"
        more = f" and {len(fewest) - _N_SHOWN} more" if len(fewest) > _N_SHOWN else ""
        return f"{', '.join(fewest[:_N_SHOWN])}{more} changed"

    def remove_superseded(self, part):
        """Remove stages that differ from this one in nothing but a part of the key, such as the code."""
        mine = {name: value for name, value in self.key.items() if name != part}
        for one in self.store.stages():
            theirs = {name: value for name, value in one["key"].items() if name != part}
            if one["name"] == self.name and one["folder"] != self.folder and theirs == mine:
                shutil.rmtree(one["folder"])

    def _complete(self):
        try:
            sizes = json.loads((self.folder / STAGE_FILE).read_text(encoding="utf-8"))["sizes"]
            return all((self.folder / name).stat().st_size == size for name, size in sizes.items())
        except (OSError, ValueError, KeyError):
            return False

    def _part(self, number):
        return self.folder / f"part-{number:06d}.npz"


def digest_files(paths, *, content=False):
    """Return a digest of files that changes when one of them does.

    Parameters
    ----------
    paths : iterable of str
        Files, or folders (of zarr), all of whose files count.
    content : bool, default=False
        Whether files are read. Else their size and the time of their last change must do, which takes
        seconds for a hundred thousand of them.

    Returns
    -------
    digest : str
        Over path, size and time of every file, or over size and content in the order of the paths. Files that
        do not exist count as such.
    n_files, n_bytes : int
        Number and size of the files.
    """
    paths = sorted(set(map(str, paths)))
    digest, n_files, n_bytes = hashlib.sha256(), 0, 0
    with ThreadPoolExecutor(_N_THREADS) as pool:
        for path, found in zip(paths, pool.map(lambda path: _describe(path, content), paths), strict=True):
            digest.update(json.dumps(["" if content else path, found]).encode())
            n_files += len(found)
            n_bytes += sum(size for _, size, _ in found)
    return digest.hexdigest(), n_files, n_bytes


def folder_size(folder):
    """Return the bytes of all files in a folder."""
    total = 0
    for path in Path(folder).rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # another run has just renamed it
            continue
    return total


def write_atomically(path, content):
    """Write bytes to a file, so that there is the old one or the new one at any time."""
    with _replacing(path) as file:
        file.write(content)


@contextmanager
def _replacing(path):
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _not_writable(folder, why):
    return PermissionError(
        f"work={str(folder)!r} (--work): nothing can be written there ({why}). Choose another place."
    )


def _describe(path, content):
    """List name, size, and time or hash of a file, or of all files in a folder."""
    if Path(path).is_dir():
        files = sorted(Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    else:
        files = [Path(path)]
    found = []
    for file in files:
        try:
            about = file.stat()
        except OSError:
            continue
        name = str(file.relative_to(path)) if len(files) > 1 else ""
        found.append((name, about.st_size, sha256_of(file) if content else about.st_mtime_ns))
    return found


def _differences(old, new):
    """Name what differs between two keys, with old and new value where these are short."""
    found = []
    for name in dict.fromkeys([*new, *old]):
        if old.get(name) == new.get(name):
            continue
        if isinstance(new.get(name), dict) and isinstance(old.get(name), dict):
            found += _differences(old[name], new[name])
        else:
            values = f"{old.get(name)} to {new.get(name)}"
            found.append(f"{name} ({values})" if len(values) < 40 else name)
    return found


def _lock(file, folder):
    try:
        import fcntl
    except ImportError:  # Windows has none, and no two runs should share a folder there
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(
            f"work={str(folder)!r} (--work) is in use by another run. Wait for it, or choose another place."
        ) from None
