# First file: the tables, a record per line (dead HOST, path NAME PATH, url PATH URL). Second: a repository file.
# mode=list prints its dead URLs (FILE SECTION ENABLED HOST PATH, "?" for an unknown path); mode=edit prints the file
# with dead URLs replaced where the tables have a URL. Lines without a dead URL are printed as they are.
FNR == 1 { part++ }
part == 1 {
    n = split($0, fields, "\t")
    if (fields[1] == "dead") dead[fields[2]] = 1
    if (fields[1] == "path") paths[fields[2]] = fields[3]
    if (fields[1] == "url") urls[fields[2]] = fields[3]
    next
}
{
    line[++count] = $0
    if ($0 ~ /^\[[^]]*\]/) {
        current = substr($0, 2, index($0, "]") - 2)
        key = ""
    } else if ($0 ~ /^[^ \t#;=:]+[ \t]*[=:]/) {
        key = $0
        sub(/[ \t]*[=:].*/, "", key)
        if (key == "enabled") {
            value = $0
            sub(/^[^=:]*[=:][ \t]*/, "", value)
            sub(/[ \t\r]*$/, "", value)
            off[current] = tolower(value) ~ /^(0|no|false|off)$/
        }
        if (key == "baseurl") based[current] = 1
    } else if ($0 !~ /^[ \t]+[^ \t#;\r]/)
        if ($0 !~ /^[#;]/) key = ""
    section[count] = current
    keys[count] = $0 ~ /^[#;]/ ? "" : key
    continues[count] = $0 ~ /^[ \t]/
}
END {
    for (i = 1; i <= count; i++) {
        text = line[i]
        if (keys[i] ~ /^(baseurl|mirrorlist|metalink)$/) {
            # A mirror list's further lines are commented out with it: they would count as lines of baseurl.
            if (!continues[i]) changed = 0
            text = continues[i] && changed && keys[i] != "baseurl" ? "#" line[i] : replace_urls(i)
            if (text != line[i]) changed = 1
        }
        if (mode != "list") printf "%s%s", (i > 1 ? "\n" : ""), text
    }
    if (mode != "list" && count && ends) printf "\n"
}
function replace_urls(i,    rest, done, url, path, list, start, size) {
    rest = line[i]
    done = ""
    list = keys[i] != "baseurl"
    while (match(rest, /[a-z]+:\/\/[^ \t\r,]+/)) {
        start = RSTART
        size = RLENGTH
        url = substr(rest, start, size)
        if (host(url) in dead) {
            path = list && continues[i] ? "?" : path_of(url)
            if (mode == "list")
                printf "%s\t%s\t%s\t%s\t%s\n", FILENAME, section[i], off[section[i]] ? "off" : "on", host(url), path
            else if (in_group(path) && path in urls) {
                if (!list) {
                    done = done substr(rest, 1, start - 1) urls[path] (url ~ /\/$/ ? "/" : "")
                    rest = substr(rest, start + size)
                    continue
                }
                if (section[i] in based) return "#" line[i]
                based[section[i]] = 1
                return "baseurl=" urls[path] "/" substr(rest, start + size)
            }
        }
        done = done substr(rest, 1, start + size - 1)
        rest = substr(rest, start + size)
    }
    return done rest
}
function host(url) {
    sub(/^[a-z]+:\/\//, "", url)
    sub(/[\/?].*/, "", url)
    sub(/^.*@/, "", url)
    sub(/:[0-9]*$/, "", url)
    return tolower(url)
}
function path_of(url,    name) {
    if (index(url, "?")) {
        if (!match(url, /[?&]repo=[^&]+/)) return "?"
        name = substr(url, RSTART + 6, RLENGTH - 6)
        if (name in paths) return paths[name]
        if (!match(name, /^[a-z]+-./)) return "?"
        return substr(name, 1, RLENGTH - 2) "/x86_64/" substr(name, RLENGTH)
    }
    if (!match(url, /\/(\$releasever|\$\{releasever\}|7(\.[0-9.]+)?)\//)) return "?"
    url = substr(url, RSTART + RLENGTH)
    sub(/\$basearch|\$\{basearch\}/, "x86_64", url)
    sub(/\/+$/, "", url)
    return url ~ /\$/ || url == "" ? "?" : url
}
function in_group(path) {
    return repo_group == (split(path, parts, "/") > 2 ? "sig" : "base")
}
