# For tests of what happens while images are read; read by them.
# shellcheck shell=sh

# endless IMAGE IMAGE...: a list of images, endless.csv, that takes far longer to read than anything waits.
endless() {
    awk -v one="$1" -v other="$2" 'BEGIN { for (i = 0; i < 200000; i++) print (i % 2 ? one ",a" : other ",b") }' >endless.csv
}
# is_loading PID: whether the process has come so far that it minds signals, which it does from before it reads images.
is_loading() {
    caught=$(sed -n 's/^SigCgt:[[:blank:]]*/0x/p' "/proc/$1/status" 2>/dev/null)
    [ $((${caught:-0} & 0x4000)) -ne 0 ] # SIGTERM
}
# is_over PID: of a child that was not waited for.
is_over() { [ ! -e "/proc/$1/exe" ]; }
