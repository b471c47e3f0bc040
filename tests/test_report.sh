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

mkdir other && cp -r runs/healthy other/healthy
"$program" report runs/healthy other/healthy --out alike.html >printed 2>errors
name="runs that are called alike are told apart by the folders they are in"
ok sh -c "grep -q runs/healthy alike.html && grep -q other/healthy alike.html"

# What a script within the page's own origin measures of it: sizes at both widths, and in both modes contrast as WCAG 2
# has it, the least of letters (4.5 is asked for) and of lines and areas (3). Single values, which lie pale behind the line
# that is to be seen, and lines that only guide the eye are left out.
cat >measure.html <<'EOT'
<body><script>
const page = location.hash.slice(1), lines = [];
let left = 2;
const numbers = text => (text.match(/[\d.]+/g) || []).map(Number);
const over = (top, opacity, ground) => top.map((v, i) => v * opacity + ground[i] * (1 - opacity));
const luminance = rgb => rgb.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
function contrast(a, b) {
    const x = luminance(a), y = luminance(b);
    return (Math.max(x, y) + .05) / (Math.min(x, y) + .05);
}
function measureContrast(frame, mode) {
    const style = element => frame.contentWindow.getComputedStyle(element), document_ = frame.contentDocument;
    const least = {letters: [99, ''], marks: [99, '']};
    const take = (kind, value, element) => {
        if (value < least[kind][0]) least[kind] = [value, element.className.baseVal ?? element.className];
    };
    const ground = element => {
        for (; element; element = element.parentElement) {
            const [r, g, b, a] = numbers(style(element).backgroundColor);
            if (a !== 0) return [r, g, b];
        }
    };
    if (mode === 'dark')
        for (const rule of [...document_.styleSheets].flatMap(sheet => [...sheet.cssRules]))
            if (rule.media?.mediaText.includes('dark')) rule.media.mediaText = 'all';
    for (const text of document_.querySelectorAll('body *')) {
        if (![...text.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || text.closest('title')) continue;
        const shade = text.closest('td')?.querySelector('i');
        let below = ground(text);
        if (shade && text.closest('.matrix'))
            below = over(numbers(style(shade).backgroundColor), Number(style(shade).opacity), below);
        take('letters', contrast(numbers(style(text)[text.closest('svg') ? 'fill' : 'color']).slice(0, 3), below), text);
    }
    for (const mark of document_.querySelectorAll('.line,.join,.dots,.whisker,.event,.limit,.axis,.area')) {
        const of = mark.matches('.area') ? 'fill' : 'stroke', look = style(mark), below = ground(mark.closest('figure'));
        take('marks', contrast(over(numbers(look[of]).slice(0, 3), Number(look[of + 'Opacity']), below), below), mark);
    }
    lines.push(`contrast ${mode} letters ${least.letters[0].toFixed(2)} marks ${least.marks[0].toFixed(2)} ` +
        `least ${least.letters[1] || '-'} ${least.marks[1] || '-'}`);
}
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
        measureContrast(frame, width === 375 ? 'light' : 'dark');
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
    sed 's/<br>/\n/g' dom | sed -n 's/.*\(width [0-9]* sideways.*\|contrast [a-z]* letters.*\)/\1/p' | sed 's/<.*//' >measured
    name="$page: both widths were shown"
    ok [ "$(grep -c charts measured)" = 2 ]
    name="$page: no sideways scrolling, nothing sticks out"
    ok sh -c '! grep "^width" measured | grep -vE "sideways false outside 0 "'
    name="$page: letters of at least 11 pixels, charts of at least 200"
    ok sh -c 'awk "/^width/ && (\$8 < 11 || \$10 < 2 || \$12 < 200) { print; bad = 1 } END { exit bad }" measured'
    name="$page: letters stand out 4.5 to 1, lines 3 to 1, in light and dark"
    ok sh -c 'grep "^contrast" measured >contrast; awk "!(\$4 >= 4.5 && \$6 >= 3) { print \"# \" \$0; bad = 1 } END { exit bad || NR != 2 }" contrast'
    name="$page: no error in the console"
    ok sh -c '! grep -E "CONSOLE" console'
done
echo "1..$count"
