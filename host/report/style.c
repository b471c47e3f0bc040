/* style: the report's style sheet: light and dark, telephone, wide screen and paper. */
#include "page.h"

const char *const page_style[] = {
    ":root{color-scheme:light "
    "dark;--ground:#f5f6f8;--card:#fff;--ink:#1d232c;--soft:#596273;--line:#e1e5eb;--grid:#e9ecf1;"
    "--good:#0b7a55;--bad:#c4292d;--warn:#a85b00;--tint:10%}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--ground:#101318;--card:#181c23;--ink:#e4e8ee;--soft:#9ba5b5;"
    "--line:#2a303a;--grid:#252b34;--good:#4cd3a2;--bad:#ff7b78;--warn:#ffb255;--tint:16%}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,"
    "\"Noto Sans\",\"DejaVu Sans\",sans-serif;-webkit-text-size-adjust:100%}\n"
    "main{max-width:1240px;margin:0 auto;padding:24px 24px 64px}\n"
    "h1{font-size:28px;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}\n"
    "h2{font-size:19px;margin:40px 0 12px;letter-spacing:-.005em}\nh3{font-size:15px;margin:0;line-height:1.35}\n"
    "p{margin:0}a{color:inherit}\n"
    "code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans "
    "Mono\",monospace;font-size:.9em}\n"
    ".card,figure{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px 20px;margin:0;"
    "min-width:0}\n",
    /* head */
    "header{display:flex;flex-wrap:wrap;gap:6px 14px;align-items:center;margin-bottom:18px}\n"
    "header .brand{flex-basis:100%;color:var(--soft);font-size:13px;letter-spacing:.04em}\n"
    "header p{flex-basis:100%;color:var(--soft);overflow-wrap:anywhere}\n"
    ".pill{display:inline-block;border-radius:99px;padding:2px 11px;font-size:13px;font-weight:600;border:1px solid "
    "currentColor}\n.pill.good{color:var(--good)}.pill.bad{color:var(--bad)}.pill.open{color:var(--warn)}\n",
    /* verdict */
    ".verdict{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:8px 32px;border-left:6px solid "
    "var(--bad)}\n"
    ".verdict.healthy{border-left-color:var(--good);grid-template-columns:1fr}.verdict.none{border-left-color:var(--"
    "warn);"
    "grid-template-columns:1fr}\n"
    ".verdict .kicker{font-size:13px;color:var(--soft);text-transform:uppercase;letter-spacing:.06em}\n"
    ".verdict h2{font-size:23px;line-height:1.25;margin:2px 0 8px}.verdict h2::first-letter{text-transform:uppercase}\n"
    ".verdict dl{display:grid;grid-template-columns:max-content 1fr;gap:6px 14px;margin:10px 0 0}\n"
    ".verdict dt{color:var(--soft)}.verdict dd{margin:0;min-width:0;overflow-wrap:anywhere}\n"
    ".verdict .say::first-letter{text-transform:uppercase}\n"
    ".verdict figure{border:0;padding:0;background:none}\n"
    ".also{margin-top:12px;display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr))}\n"
    ".also h3::first-letter{text-transform:uppercase}.also "
    "figure{border:0;padding:0;margin-top:10px;background:none}\n",
    /* figures in large letters */
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(148px,1fr));gap:12px;margin:16px 0}\n"
    ".tiles div{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:12px 16px;min-width:0}\n"
    ".tiles b{display:block;font-size:24px;line-height:1.2;font-weight:650;letter-spacing:-.01em;"
    "font-variant-numeric:tabular-nums}\n.tiles span{color:var(--soft);font-size:13px;display:block;line-height:1.35}\n"
    ".said{padding-left:20px;margin:0}.said li{margin:6px 0;max-width:90ch}\n",
    /* charts */
    ".grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px}\n.grid .wide{grid-column:1/-1}\n"
    "figcaption p{color:var(--soft);font-size:13px;line-height:1.45;margin-top:2px}\n"
    ".plot{padding:26px 12px 40px 48px}.plot.ends{padding-right:96px}\n"
    ".plot svg{display:block;overflow:visible}.plot .ground{width:100%}.plot .data{overflow:hidden}\n"
    ".plot text{fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}\n"
    ".plot .end text{fill:var(--c);font-weight:600}.plot .end text+text{font-weight:400;fill:var(--soft)}\n"
    ".plot .flag{fill:var(--c)}\n"
    ".grid line,.plot .grid{stroke:var(--grid)}.plot .axis{stroke:var(--soft);stroke-opacity:.6}\n"
    ".plot "
    "path{vector-effect:non-scaling-stroke;fill:none;stroke:var(--c);stroke-linejoin:round;stroke-linecap:round}\n"
    ".plot .raw{stroke-width:1;stroke-opacity:.32}.plot .line{stroke-width:2}.plot "
    ".join{stroke-width:1.5;stroke-opacity:.7}\n"
    ".plot .dots{stroke-width:6.5}.plot .whisker{stroke-width:1.5;stroke-opacity:.75}\n"
    ".plot .band{fill:var(--c);fill-opacity:.22;stroke:none}.plot "
    ".area{fill:var(--c);fill-opacity:.78;stroke:var(--card);"
    "stroke-width:1}\n"
    ".plot .event{stroke:var(--c);stroke-width:1.5;stroke-dasharray:4 3}.plot .limit{stroke:var(--c);stroke-width:1.5;"
    "stroke-dasharray:2 3}\n.plot .region{fill:var(--good);fill-opacity:.12}\n"
    ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;padding:0;margin:8px 0 0;font-size:13px;"
    "color:var(--soft)}\n.legend.narrow{display:none}.legend li{min-width:0;overflow-wrap:anywhere}\n"
    ".legend i{display:inline-block;width:16px;height:4px;border-radius:2px;background:var(--c);margin-right:6px;"
    "vertical-align:middle}.legend .pale i{opacity:.4}\n"
    "figure.small .plot{padding-bottom:38px}\n",
    /* tables */
    ".scroll{overflow-x:auto;max-width:100%}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}\n"
    "th,td{padding:5px 12px 5px 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}\n"
    "th{font-weight:600;color:var(--soft)}td.n,th.n{text-align:right;padding:5px 0 5px 16px}\n"
    ".settings{columns:3 260px;column-gap:28px}.settings section{break-inside:avoid;margin-bottom:14px}\n"
    ".settings h3{color:var(--soft);margin-bottom:2px}.settings "
    "div{display:flex;justify-content:space-between;gap:12px;"
    "border-bottom:1px solid var(--line);font-size:13px;padding:2px 0}.settings "
    "b{font-weight:500;overflow-wrap:anywhere;"
    "min-width:0;text-align:right}.settings .set span{font-weight:600}\n"
    "footer{color:var(--soft);font-size:13px;margin-top:40px}\n",
    /* telephone */
    "@media(max-width:860px){.grid,.verdict{grid-template-columns:minmax(0,1fr)}}\n"
    "@media(max-width:560px){main{padding:16px 12px 40px}.card,figure{padding:14px 14px}h1{font-size:24px}"
    ".plot.ends{padding-right:12px}.plot "
    ".end{display:none}.legend.narrow{display:flex}.tiles{grid-template-columns:1fr 1fr;"
    "gap:8px}.tiles b{font-size:20px}.tiles div{padding:10px 12px}.verdict h2{font-size:20px}}\n",
    /* paper */
    "@media print{@page{margin:14mm}body{background:#fff;font-size:11pt}main{max-width:none;padding:0}"
    ".card,figure,.tiles div{break-inside:avoid;border-color:#ccc}h2{break-after:avoid}"
    "*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}\n",
    NULL};
