# Dead URLs of repository files ("dead FILE SECTION ENABLED HOST PLACE"), and what answers instead ("url PLACE URL").
# Tables on standard input; roots and curl's settings too. What is disabled follows the mirror that answers first for
# the rest: nobody fetches it. $tree and $program are set before.
cat > "$work/said"
sed -n 's/^curl	//p' "$work/said" > "$work/curl"
grep -v '^curl' "$work/said" > "$work/tables"
for file in /etc/yum.repos.d/*.repo; do
    [ -f "$file" ] && awk -v mode=list -v tree="$tree" "$program" "$work/tables" "$file"
done | awk -F '\t' -v tree="$tree" 'tree == (split($5, parts, "/") > 2 ? "sig" : "base")' > "$work/dead"
[ -s "$work/dead" ] || exit 0
cut -f 3,5 "$work/dead" | sed -n 's/^on	//p' | grep -vx '?' | sort -u > "$work/open"
gone=
sed -n 's/^root	//p' "$work/said" > "$work/roots"
while IFS= read -r root; do
    [ -s "$work/open" ] || break
    name=${root#*://} name=${name%%/*}
    case " $gone " in *" $name "*) continue ;; esac
    number=0
    while IFS= read -r place; do
        number=$((number + 1))
        (
            curl -K "$work/curl" --silent --fail --location --connect-timeout 5 --max-time 20 \
                --output "$work/xml.$number" "$root/$place/repodata/repomd.xml" < /dev/null
            echo $? > "$work/code.$number"
        ) &
    done < "$work/open"
    wait
    number=0
    : > "$work/still"
    while IFS= read -r place; do
        number=$((number + 1))
        read -r code < "$work/code.$number"
        if [ "$code" = 0 ] && grep -q '<repomd' "$work/xml.$number"; then
            [ -e "$work/root" ] || printf '%s\n' "$root" > "$work/root"
            printf 'url\t%s\t%s/%s\n' "$place" "$root" "$place" >> "$work/urls"
        else
            case $code in 5|6|7|28) gone="$gone $name" ;; esac
            printf '%s\n' "$place" >> "$work/still"
        fi
        rm -f "$work/xml.$number"
    done < "$work/open"
    mv "$work/still" "$work/open"
done < "$work/roots"
if [ -e "$work/root" ]; then
    read -r root < "$work/root"
    cut -f 3,5 "$work/dead" | sed -n 's/^off	//p' | grep -vx '?' | sort -u | while IFS= read -r place; do
        grep -q "^url	$place	" "$work/urls" || printf 'url\t%s\t%s/%s\n' "$place" "$root" "$place" >> "$work/urls"
    done
fi
sed 's/^/dead	/' "$work/dead"
[ ! -e "$work/urls" ] || cat "$work/urls"
