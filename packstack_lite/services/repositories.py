"""Where packages come from: repositories that answer, the release's own, a proxy, a directory instead of a network."""

from __future__ import annotations

from typing import List, Tuple
from urllib.parse import unquote, urlsplit

from packstack_lite.profiles.preparation import Preparation, mirrors, preparation
from packstack_lite.resources import Absent, File, Packages, RepoFiles, Settings
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services.cloud import Cloud, tags

# What our own repository files are called, as Packstack calls them; a pattern for yum's --enablerepo.
OURS = "packstack_*"


def declare(cloud: Cloud) -> List[Resource]:
    """Everything that the package manager needs before it is asked for OpenStack's packages."""
    wants = preparation(cloud.profile.name)
    if cloud.profile.package_manager == "apt":
        return _apt_proxy(cloud, wants)
    return [*_proxy(cloud, wants), *_own(cloud, wants), *([] if _directory(cloud) else _distribution(cloud, wants))]


def only_from(cloud: Cloud) -> str:
    """The repositories that packages may come from, as a pattern; all that are enabled where it is empty."""
    return OURS if _directory(cloud) else ""


def ready(cloud: Cloud) -> Tuple[str, ...]:
    """Ids of what has to be right before OpenStack's packages are asked for."""
    return tuple(resource.id for resource in declare(cloud) if resource.phase is Phase.PACKAGES)


def _distribution(cloud: Cloud, wants: Preparation) -> List[Resource]:
    """The distribution's repositories, then the release's, which a package brings: those need the same care again."""
    before = [*_mirrored(cloud, wants, "base"), *_switches(wants)]
    priorities = wants.priority_packages if cloud.answers.get("CONFIG_REPO") else ()
    names = (*wants.release_packages, *priorities)
    release = Packages(
        names=names,
        manager=cloud.profile.package_manager,
        part="release",
        phase=Phase.PREPARE,
        tags=tags("host"),
        needs=tuple(resource.id for resource in (*_proxy(cloud, wants), *_own(cloud, wants), *before)),
    )
    return [*before, *([release] if names else []), *_mirrored(cloud, wants, "sig"), *_kept_out(wants)]


def _mirrored(cloud: Cloud, wants: Preparation, tree: str) -> List[Resource]:
    if not wants.mirrors:
        return []
    table = mirrors(wants.mirrors)
    release = wants.release_packages[0] if tree == "sig" else ""
    return [
        RepoFiles(
            tree=tree,
            roots=_roots(cloud, wants.mirrors),
            dead=table.dead,
            paths=table.paths,
            release=release,
            curl=_curl(cloud),
            phase=Phase.PACKAGES if release else Phase.PREPARE,
            tags=tags("host"),
        )
    ]


def _roots(cloud: Cloud, name: str) -> Tuple[str, ...]:
    """The URLs above the trees, in the order in which they are tried."""
    answer, known = str(cloud.answers.get("CONFIG_REPO_MIRROR") or "auto"), mirrors(name).mirrors
    if answer == "auto":
        return tuple(root for roots in known.values() for root in roots)
    return known.get(answer, (answer.rstrip("/"),))


def _switches(wants: Preparation) -> List[Resource]:
    """A host with repositories of somebody's own may have none of that name."""
    on = (("enabled", "1"),)
    return [
        Settings(path=path, section=section, values=on, optional=True, phase=Phase.PREPARE, tags=tags("host"))
        for path, sections in wants.switched_on.items()
        for section in sections
    ]


def _kept_out(wants: Preparation) -> List[Resource]:
    """EPEL may be there for other things; it must not replace what the release brings."""
    if not wants.epel_exclude:
        return []
    exclude = (("exclude", " ".join(wants.epel_exclude)),)
    path, phase = f"{wants.repo_files}/epel.repo", Phase.PACKAGES
    return [
        Settings(path=path, section="epel", values=exclude, add=True, optional=True, phase=phase, tags=tags("host"))
    ]


def _own(cloud: Cloud, wants: Preparation) -> List[Resource]:
    """Files of CONFIG_REPO, as Packstack writes them, and of CONFIG_REPO_DIRECTORY.

    Packstack switches the check of signatures off. Here yum.conf decides for what comes over a network; what root
    has laid into a directory of the host is believed.
    """
    urls = [(f"packstack_{number}", str(url)) for number, url in enumerate(cloud.answers.get("CONFIG_REPO") or ())]
    directory, name = _directory(cloud), "packstack_directory"
    if directory:
        beside = _repo(cloud, wants, name, f"file://{directory}", checked=False)
    else:
        path = f"{wants.repo_files}/{name}.repo"
        beside = Absent(path=path, ours=True, phase=Phase.PREPARE, tags=tags("host"))
    return [*[_repo(cloud, wants, name, url, checked=True) for name, url in urls], beside]


def _repo(cloud: Cloud, wants: Preparation, name: str, url: str, checked: bool) -> Resource:
    content = cloud.render("host/etc/yum.repos.d/packstack.repo.j2", name=name, url=url, checked=checked)
    return File(path=f"{wants.repo_files}/{name}.repo", content=content, phase=Phase.PREPARE, tags=tags("host"))


def _directory(cloud: Cloud) -> str:
    return str(cloud.answers.get("CONFIG_REPO_DIRECTORY") or "").rstrip("/")


def _proxy(cloud: Cloud, wants: Preparation) -> List[Resource]:
    """yum's or dnf's proxy. Without a password the file stays readable to all."""
    address, user, password = _parts(cloud)
    if not address:
        return []
    values: List[Tuple[str, "str | Secret"]] = [("proxy", address)]
    values += [("proxy_username", user)] if user else []
    values += [("proxy_password", password)] if password else []
    mode = "0600" if password else ""
    path, phase = wants.package_config, Phase.PREPARE
    return [Settings(path=path, section="main", values=tuple(values), mode=mode, phase=phase, tags=tags("host"))]


def _apt_proxy(cloud: Cloud, wants: Preparation) -> List[Resource]:
    if not wants.proxy_file:
        return []
    if not _answer(cloud):
        return [Absent(path=wants.proxy_file, ours=True, phase=Phase.PREPARE, tags=tags("host"))]
    address, user, password = _parts(cloud)
    content = cloud.render(f"host{wants.proxy_file}.j2", address=address, user=user, password=password)
    return [File(path=wants.proxy_file, content=content, mode=0o600, phase=Phase.PREPARE, tags=tags("host"))]


def _curl(cloud: Cloud) -> Secret:
    """The proxy as lines of curl's configuration."""
    address, user, password = _parts(cloud)
    if not address:
        return Secret("")
    login = f"{user}:{password.reveal()}".replace("\\", "\\\\").replace('"', '\\"')
    return Secret(f'proxy = "{address}"\n' + (f'proxy-user = "{login}"\n' if user else ""))


def _parts(cloud: Cloud) -> Tuple[str, str, Secret]:
    """The proxy's URL without its login, and the login."""
    if not _answer(cloud):
        return "", "", Secret("")
    whole = urlsplit(_answer(cloud))
    address = f"http://{whole.netloc.rpartition('@')[2]}"
    return address, unquote(whole.username or ""), Secret(unquote(whole.password or ""))


def _answer(cloud: Cloud) -> str:
    answer = cloud.answers.get("CONFIG_HTTP_PROXY")
    return answer.reveal() if isinstance(answer, Secret) else ""
