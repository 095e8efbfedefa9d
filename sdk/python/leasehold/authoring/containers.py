"""``container``: steps that are containers of an image."""

from __future__ import annotations

from leasehold.authoring.mistakes import AuthoringError
from leasehold.authoring.started import Started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from leasehold.authoring.expanding import Partial
    from leasehold.authoring.graph import Result
    from leasehold.authoring.options import TaskOptions
    from leasehold.authoring.started import ResultFrom

_LONGEST = 512
_HEX = frozenset("0123456789abcdef")
_EXAMPLE = 'Write it like "registry.example.com/tools/ffmpeg:7.1" or "…/ffmpeg@sha256:…".'


class Container:
    """What ``container`` is."""

    def __call__(
        self,
        image: str,
        *,
        command: Sequence[object] | None = None,
        entrypoint: str | None = None,
        id: str | None = None,  # noqa: A002 - the word authors use
        env: Mapping[str, object] | None = None,
        result: ResultFrom = "last_line",
        **options: Unpack[TaskOptions],
    ) -> Result:
        """Add a container to the DAG: ``container("registry.example.com/ffmpeg:7", command=["ffmpeg", "-i", video])``.

        It runs at a site whose machines have podman or docker. The task's working directory is mounted, at the same
        path, and so is the way to its host; no shell is involved.

        Args:
            image: The image, with a tag or a digest; a digest always means the same bytes.
            command: What it runs, in place of what the image says: text (``{{ … }}`` is rendered), results,
                parameters, any JSON value.
            entrypoint: The program that ``command`` is given to, in place of the image's.
            id: The task's id (default: the image's name).
            env: More environment variables: text stays, other values arrive as JSON.
            result: Which part of standard output is the task's result.
            options: See ``TaskOptions``.

        Raises:
            AuthoringError: if it is used outside a DAG's body, or an option can't be what it was set to.
        """
        return _of_image(image, command, entrypoint, id, env, result, options).add()

    def partial(
        self,
        image: str,
        *,
        command: Sequence[object] | None = None,
        entrypoint: str | None = None,
        id: str | None = None,  # noqa: A002 - the word authors use
        env: Mapping[str, object] | None = None,
        result: ResultFrom = "last_line",
        **options: Unpack[TaskOptions],
    ) -> Partial:
        """Return a container to be mapped: ``container.partial(image, command=["gzip", "{{ item.FILE }}"])``.

        The names in ``expand`` are environment variables, and ``{{ item.FILE }}`` in templates.
        """
        return _of_image(image, command, entrypoint, id, env, result, options).partial()


container = Container()


def _of_image(
    image: object,
    command: Sequence[object] | None,
    entrypoint: object,
    given_id: str | None,
    env: Mapping[str, object] | None,
    result: str,
    options: Mapping[str, object],
) -> Started:
    name, problem = _read(image)
    if problem is not None:
        raise AuthoringError(f"container: {image!r} is no image: {problem}", _EXAMPLE, word="image")
    if isinstance(command, str) or not (command is None or isinstance(command, list | tuple)):
        raise AuthoringError(
            "container takes command= as a list",
            'Write command=["ls", "-l"], or command=["sh", "-c", "ls -l | wc -l"] for a shell of the image.',
            word="command",
        )
    if entrypoint is not None and (not isinstance(entrypoint, str) or not entrypoint or "{{" in entrypoint):
        raise AuthoringError(
            f"container: entrypoint={entrypoint!r} is no program",
            'Name a program of the image: entrypoint="/bin/sh". What it is given goes into command=[…].',
            word="entrypoint",
        )
    more: dict[str, object] = {"image": image, **({} if entrypoint is None else {"entrypoint": entrypoint})}
    return Started(
        name,
        list(command or []),
        kind="container",
        more=more,
        given_id=given_id,
        env=env,
        result=result,
        options=options,
    )


def _read(image: object) -> tuple[str, str | None]:
    """Return (name without registry, tag and digest; why it can't be an image)."""
    if not isinstance(image, str) or not image:
        return "", "it is not text"
    if "{{" in image:
        return "", "it is not rendered, for a site's policy and a signature say which images may run"
    if "://" in image:
        return "", "it has no scheme (https://)"
    if len(image) > _LONGEST:
        return "", f"it is longer than {_LONGEST} characters"
    rest, at, digest = image.partition("@")
    if at and not _is_digest(digest):
        return "", "after @ comes sha256: and 64 digits of 0-9 a-f"
    path, colon, tag = rest.rpartition(":") if ":" in rest.rpartition("/")[2] else (rest, "", "")
    if colon and not _is_tag(tag):
        return "", f"the tag {tag!r} may have 128 of A-Z a-z 0-9 _ . - and begins with none of . -"
    return path.rpartition("/")[2], _wrong_in_path(path)


def _wrong_in_path(path: str) -> str | None:
    registry, slash, _ = path.partition("/")
    host, colon, port = registry.partition(":")
    if slash and colon and not (port.isascii() and port.isdigit() and len(port) <= 5):
        return f"{port!r} is no port"
    if path != path.lower():
        return "names of images are in lower case"
    wrong = [part for part in [host, *path.split("/")[1:]] if not _is_part(part)]
    return f"{wrong[0]!r} can't be a part of its name: use a-z 0-9, and . _ - between them" if wrong else None


def _is_digest(digest: str) -> bool:
    how, _, text = digest.partition(":")
    return how == "sha256" and len(text) == 64 and _HEX.issuperset(text)


def _is_tag(tag: str) -> bool:
    kept = tag.replace("_", "").replace(".", "").replace("-", "")
    return 0 < len(tag) <= 128 and tag[0] not in ".-" and tag.isascii() and (kept.isalnum() or not kept)


def _is_part(part: str) -> bool:
    kept = part.replace("_", "").replace(".", "").replace("-", "")
    ends = part[:1] + part[-1:]
    return part.isascii() and kept.isalnum() and not set(ends) & set("._-")
