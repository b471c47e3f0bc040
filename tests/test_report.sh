#!/bin/sh
# Reports as a browser shows them: well-formed, nothing loaded from elsewhere, no error in the console, no sideways
# scrolling and no letters too small to read, on a telephone (375 px) and on a wide screen (1440 px). Without xmllint or
# without Chromium those parts are skipped.
cd "$(dirname "$0")/.." || exit 1
top=$PWD program=${EVENKEEL:-$PWD/${BUILD:-build}/evenkeel}
folder=${TMPDIR:-/tmp}/report.$$
mkdir -p "$folder" && cd "$folder" || exit 1
trap 'rm -rf "$folder"' EXIT
count=0
ok() {
    count=$((count + 1))
    if "$@"; then echo "ok $count - $name"; else echo "not ok $count - $name"; fi
}
skip() { count=$((count + 1)) && echo "ok $count - $1 # SKIP $2"; }
browser=
for candidate in chromium chromium-browser google-chrome; do
    [ -n "$browser" ] || browser=$(command -v $candidate)
done

"$program" --quiet synth tiles --size 16 --per-class 12 >/dev/null || exit 1
# run NAME SETTING…
run() {
    name=$1 && shift
    "$program" --quiet train "$top/configs/quickstart.ini" data.train=tiles/train data.val=tiles/val model.width=4 \
        epochs=6 batch_size=16 train.threads=1 run.name="$name" "$@" >/dev/null 2>&1
}
run healthy
run diverged optim.name=sgd optim.lr=1000
"$program" --quiet sweep "$top/configs/quickstart.ini" data.train=tiles/train data.val=tiles/val model.width=4 epochs=2 \
    batch_size=8,16,32 train.threads=1 --seeds 2 --out runs/sweep >/dev/null 2>&1

for page in healthy diverged sweep both; do
    case $page in
    both) "$program" report runs/healthy runs/diverged --out both.html ;;
    *) "$program" report "runs/$page" --out $page.html ;;
    esac >printed 2>errors
    name="$page: written, its name printed"
    ok [ "$(cat printed)" = $page.html ]
    name="$page: nothing is loaded from elsewhere"
    ok sh -c "! grep -qE '<script|<link|@import|(src|href)=\"[^d#]|url\(' $page.html"
    name="$page: well-formed"
    if command -v xmllint >/dev/null; then ok xmllint --noout $page.html; else skip "$name" "no xmllint"; fi
done

# What a script within the page's own origin measures of it, as JSON.
cat >measure.html <<'EOT'
<body><script>
const page = location.hash.slice(1), lines = [];
let left = 2;
for (const width of [375, 1440]) {
    const frame = document.createElement('iframe');
    frame.style.cssText = `width:${width}px;height:900px;border:0`;
    frame.onload = () => {
        const document_ = frame.contentDocument, root = document_.documentElement;
        let smallest = 99, outside = 0;
        for (const text of document_.querySelectorAll('body *')) {
            if (![...text.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
            const box = text.getBoundingClientRect();
            if (!box.width) continue;
            smallest = Math.min(smallest, parseFloat(frame.contentWindow.getComputedStyle(text).fontSize));
            if (!text.closest('.scroll') && (box.left < -1 || box.right > width + 1)) outside++;
        }
        const charts = [...document_.querySelectorAll('.ground')].map(c => c.getBoundingClientRect().width);
        lines.push(`width ${width} sideways ${root.scrollWidth > root.clientWidth} outside ${outside} ` +
            `smallest ${smallest} charts ${charts.length} narrowest ${Math.round(Math.min(...charts))}`);
        if (--left === 0) document.body.innerText = 'MEASURED\n' + lines.sort().join('\n') + '\nEND';
    };
    frame.src = page;
    document.body.append(frame);
}
</script></body>
EOT
for page in healthy diverged sweep both; do
    if [ -z "$browser" ]; then
        skip "$page in a browser" "no Chromium"
        continue
    fi
    HOME=$folder timeout 60 "$browser" --headless --no-sandbox --disable-gpu --allow-file-access-from-files --enable-logging=stderr \
        --virtual-time-budget=5000 --user-data-dir="$folder/browser" --dump-dom "file://$folder/measure.html#$page.html" \
        >dom 2>console
    sed 's/<br>/\n/g' dom | sed -n 's/.*\(width [0-9]* sideways.*\)/\1/p' | sed 's/<.*//' >measured
    name="$page: both widths were shown"
    ok [ "$(grep -c charts measured)" = 2 ]
    name="$page: no sideways scrolling, nothing sticks out"
    ok sh -c '! grep -vE "sideways false outside 0 " measured'
    name="$page: letters of at least 11 pixels, charts of at least 200"
    ok sh -c 'awk "\$8 < 11 || \$10 < 2 || \$12 < 200 { print; bad = 1 } END { exit bad }" measured'
    name="$page: no error in the console"
    ok sh -c '! grep -E "CONSOLE" console'
done
echo "1..$count"
