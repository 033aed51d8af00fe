"""Resources of package repositories, mirrors and the package manager's proxy.

Used by ``host_setup.system``. Two phases and the choice of a mirror: docs/decisions/0012.
"""

from __future__ import annotations

from typing import List, Tuple
from urllib.parse import unquote, urlsplit

from packstack_lite.profiles.host_setup import HostSetup, load_host_setup, load_mirror_table
from packstack_lite.resources import Absent, File, IniSettings, Packages, YumMirrors
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.secret import Secret
from packstack_lite.services._base.context import NodeContext, make_tags

# Matches the repositories that we write, named as Packstack names them; for yum's --enablerepo.
OWN_REPOS_PATTERN = "packstack_*"


def declare(context: NodeContext) -> List[Resource]:
    """Declare repositories and proxy for the node's package manager.

    Yum and dnf: everything that has to be right before OpenStack's packages are installed. Apt: the proxy.
    """
    setup = load_host_setup(context.profile.name)
    if context.profile.package_manager == "apt":
        return _declare_apt_proxy(context, setup)
    return [
        *_declare_yum_proxy(context, setup),
        *_declare_configured_repos(context, setup),
        *([] if _repo_directory(context) else _declare_distribution_repos(context, setup)),
    ]


def allowed_repositories(context: NodeContext) -> str:
    """Return a pattern of the repositories to install packages from.

    "" means every enabled repository.
    """
    return OWN_REPOS_PATTERN if _repo_directory(context) else ""


def required_resource_ids(context: NodeContext) -> Tuple[str, ...]:
    """List the ids that the installation of OpenStack's packages has to wait for."""
    return tuple(resource.id for resource in declare(context) if resource.phase is Phase.PACKAGES)


def prepared_resource_ids(context: NodeContext) -> Tuple[str, ...]:
    """List the ids that every installation has to wait for.

    They are the distribution's repositories and the proxy.
    """
    return tuple(resource.id for resource in declare(context) if resource.phase is Phase.PREPARE)


def _declare_distribution_repos(context: NodeContext, setup: HostSetup) -> List[Resource]:
    """Declare the distribution's repositories, then those of the OpenStack release.

    A package brings the release's repositories; once it is installed they may need mirrors as well.
    """
    base_repos = [*_declare_mirrored_repos(context, setup, "base"), *_declare_enabled_sections(setup)]
    priorities = setup.priority_packages if context.answers.get("CONFIG_REPO") else ()
    names = (*setup.release_packages, *priorities)
    release = Packages(
        names=names,
        manager=context.profile.package_manager,
        batch="release",
        phase=Phase.PREPARE,
        tags=make_tags("host"),
        needs=tuple(
            resource.id
            for resource in (
                *_declare_yum_proxy(context, setup),
                *_declare_configured_repos(context, setup),
                *base_repos,
            )
        ),
    )
    return [
        *base_repos,
        *([release] if names else []),
        *_declare_mirrored_repos(context, setup, "sig"),
        *_declare_epel_excludes(setup),
    ]


def _declare_mirrored_repos(context: NodeContext, setup: HostSetup, repo_group: str) -> List[Resource]:
    """Declare mirrors for one group of repositories.

    ``repo_group`` is ``base`` (the distribution's repositories) or ``sig`` (those of the OpenStack release).
    """
    if not setup.mirror_table:
        return []
    table = load_mirror_table(setup.mirror_table)
    release = setup.release_packages[0] if repo_group == "sig" else ""
    return [
        YumMirrors(
            repo_group=repo_group,
            mirror_roots=_mirror_urls(context, setup.mirror_table),
            dead_hosts=table.retired_hosts,
            mirror_paths=table.repository_paths,
            release_package=release,
            curl_config=_curl_proxy_config(context),
            phase=Phase.PACKAGES if release else Phase.PREPARE,
            tags=make_tags("host"),
        )
    ]


def _mirror_urls(context: NodeContext, name: str) -> Tuple[str, ...]:
    """Return the mirrors' root URLs, in the order in which they are tried."""
    answer, known_mirrors = str(context.answers.get("CONFIG_REPO_MIRROR") or "auto"), load_mirror_table(name).mirrors
    if answer == "auto":
        return tuple(url for urls in known_mirrors.values() for url in urls)
    return known_mirrors.get(answer, (answer.rstrip("/"),))


def _declare_enabled_sections(setup: HostSetup) -> List[Resource]:
    """Declare that sections of repository files are enabled.

    A node with repositories of its administrator's own may have no such section: it is ignored there.
    """
    enabled = (("enabled", "1"),)
    return [
        IniSettings(
            path=path, section=section, values=enabled, ignore_missing=True, phase=Phase.PREPARE, tags=make_tags("host")
        )
        for path, sections in setup.enabled_sections.items()
        for section in sections
    ]


def _declare_epel_excludes(setup: HostSetup) -> List[Resource]:
    """Declare that EPEL excludes packages that would replace the release's.

    EPEL itself stays: other software may need it.
    """
    if not setup.epel_exclude:
        return []
    exclude = (("exclude", " ".join(setup.epel_exclude)),)
    path, phase = f"{setup.repo_files}/epel.repo", Phase.PACKAGES
    return [
        IniSettings(
            path=path,
            section="epel",
            values=exclude,
            append=True,
            ignore_missing=True,
            phase=phase,
            tags=make_tags("host"),
        )
    ]


def _declare_configured_repos(context: NodeContext, setup: HostSetup) -> List[Resource]:
    """Declare the repository files of CONFIG_REPO and CONFIG_REPO_DIRECTORY.

    They are named as Packstack names them. Packstack disables the check of signatures. Here yum.conf decides for
    packages from a network; a directory on the node, into which only root can write, is trusted.
    """
    urls = [(f"packstack_{number}", str(url)) for number, url in enumerate(context.answers.get("CONFIG_REPO") or ())]
    directory, name = _repo_directory(context), "packstack_directory"
    if directory:
        directory_repo = _declare_repo_file(context, setup, name, f"file://{directory}", verify_signatures=False)
    else:
        path = f"{setup.repo_files}/{name}.repo"
        directory_repo = Absent(path=path, created_by_us=True, phase=Phase.PREPARE, tags=make_tags("host"))
    return [
        *[_declare_repo_file(context, setup, name, url, verify_signatures=True) for name, url in urls],
        directory_repo,
    ]


def _declare_repo_file(
    context: NodeContext, setup: HostSetup, name: str, url: str, verify_signatures: bool
) -> Resource:
    """Declare a repository file with one repository."""
    content = context.render("host/etc/yum.repos.d/packstack.repo.j2", name=name, url=url, checked=verify_signatures)
    return File(path=f"{setup.repo_files}/{name}.repo", content=content, phase=Phase.PREPARE, tags=make_tags("host"))


def _repo_directory(context: NodeContext) -> str:
    """Return the path of CONFIG_REPO_DIRECTORY; "" without one."""
    return str(context.answers.get("CONFIG_REPO_DIRECTORY") or "").rstrip("/")


def _declare_yum_proxy(context: NodeContext, setup: HostSetup) -> List[Resource]:
    """Declare the proxy of yum or dnf.

    Without a password in it the file stays readable to all.
    """
    address, user, password = _proxy_parts(context)
    if not address:
        return []
    values: List[Tuple[str, "str | Secret"]] = [("proxy", address)]
    values += [("proxy_username", user)] if user else []
    values += [("proxy_password", password)] if password else []
    mode = "0600" if password else ""
    path, phase = setup.package_config, Phase.PREPARE
    return [
        IniSettings(path=path, section="main", values=tuple(values), mode=mode, phase=phase, tags=make_tags("host"))
    ]


def _declare_apt_proxy(context: NodeContext, setup: HostSetup) -> List[Resource]:
    """Declare apt's proxy file, with the proxy of CONFIG_HTTP_PROXY.

    Without that answer, declare that the file is absent. ``setup`` names the file; only a profile with apt has one.
    """
    if not setup.proxy_file:
        return []
    if not _proxy_answer(context):
        return [Absent(path=setup.proxy_file, created_by_us=True, phase=Phase.PREPARE, tags=make_tags("host"))]
    address, user, password = _proxy_parts(context)
    content = context.render(f"host{setup.proxy_file}.j2", address=address, user=user, password=password)
    return [File(path=setup.proxy_file, content=content, mode=0o600, phase=Phase.PREPARE, tags=make_tags("host"))]


def _curl_proxy_config(context: NodeContext) -> Secret:
    """Format the proxy as lines of curl's configuration."""
    address, user, password = _proxy_parts(context)
    if not address:
        return Secret("")
    login = f"{user}:{password.reveal()}".replace("\\", "\\\\").replace('"', '\\"')
    return Secret(f'proxy = "{address}"\n' + (f'proxy-user = "{login}"\n' if user else ""))


def _proxy_parts(context: NodeContext) -> Tuple[str, str, Secret]:
    """Return the proxy's URL without login, its user and its password.

    All three are empty without a proxy.
    """
    if not _proxy_answer(context):
        return "", "", Secret("")
    parsed = urlsplit(_proxy_answer(context))
    address = f"http://{parsed.netloc.rpartition('@')[2]}"
    return address, unquote(parsed.username or ""), Secret(unquote(parsed.password or ""))


def _proxy_answer(context: NodeContext) -> str:
    """Return CONFIG_HTTP_PROXY with its password; "" without an answer."""
    answer = context.answers.get("CONFIG_HTTP_PROXY")
    return answer.reveal() if isinstance(answer, Secret) else ""
