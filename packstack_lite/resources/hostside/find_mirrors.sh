# Prints dead URLs of repository files ("dead FILE SECTION ENABLED HOST PATH") and URLs that answer instead ("url PATH
# URL"). PATH is the repository's path below a mirror's root. Standard input: the tables, roots, and curl's settings.
# Disabled repositories follow the mirror that answers first for the others: nobody fetches them. $repo_group and
# $program are set before.
cat > "$work/input"
sed -n 's/^curl	//p' "$work/input" > "$work/curl"
grep -v '^curl' "$work/input" > "$work/tables"
for file in /etc/yum.repos.d/*.repo; do
    [ -f "$file" ] && awk -v mode=list -v repo_group="$repo_group" "$program" "$work/tables" "$file"
done | awk -F '\t' -v repo_group="$repo_group" 'repo_group == (split($5, parts, "/") > 2 ? "sig" : "base")' > "$work/dead"
[ -s "$work/dead" ] || exit 0
cut -f 3,5 "$work/dead" | sed -n 's/^on	//p' | grep -vx '?' | sort -u > "$work/open"
dead_servers=
sed -n 's/^root	//p' "$work/input" > "$work/roots"
while IFS= read -r root; do
    [ -s "$work/open" ] || break
    name=${root#*://} name=${name%%/*}
    case " $dead_servers " in *" $name "*) continue ;; esac
    number=0
    while IFS= read -r path; do
        number=$((number + 1))
        (
            curl -K "$work/curl" --silent --fail --location --connect-timeout 5 --max-time 20 \
                --output "$work/xml.$number" "$root/$path/repodata/repomd.xml" < /dev/null
            echo $? > "$work/code.$number"
        ) &
    done < "$work/open"
    wait
    number=0
    : > "$work/unanswered"
    while IFS= read -r path; do
        number=$((number + 1))
        read -r code < "$work/code.$number"
        if [ "$code" = 0 ] && grep -q '<repomd' "$work/xml.$number"; then
            [ -e "$work/root" ] || printf '%s\n' "$root" > "$work/root"
            printf 'url\t%s\t%s/%s\n' "$path" "$root" "$path" >> "$work/urls"
        else
            case $code in 5|6|7|28) dead_servers="$dead_servers $name" ;; esac
            printf '%s\n' "$path" >> "$work/unanswered"
        fi
        rm -f "$work/xml.$number"
    done < "$work/open"
    mv "$work/unanswered" "$work/open"
done < "$work/roots"
if [ -e "$work/root" ]; then
    read -r root < "$work/root"
    cut -f 3,5 "$work/dead" | sed -n 's/^off	//p' | grep -vx '?' | sort -u | while IFS= read -r path; do
        grep -q "^url	$path	" "$work/urls" || printf 'url\t%s\t%s/%s\n' "$path" "$root" "$path" >> "$work/urls"
    done
fi
sed 's/^/dead	/' "$work/dead"
[ ! -e "$work/urls" ] || cat "$work/urls"
