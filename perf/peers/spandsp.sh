#!/usr/bin/env bash
# spandsp's codecs, measured as ours are: frames of 20 ms of 32 channels, one after the other, states kept.
#   spandsp.sh DIRECTORY CPU MILLISECONDS
# DIRECTORY holds narrow.raw and wide.raw: 16-bit samples of the same speech at 8 and 16 kHz. Prints lines of `CODEC encode|decode NS`, nine of each.
# 3: no spandsp or no C compiler here (Debian, Ubuntu: apt-get install libspandsp-dev gcc). Nothing of it is part of our programs.
set -euo pipefail
directory=$1 cpu=$2 milliseconds=$3
command -v cc >/dev/null || { echo "no C compiler to measure spandsp with" >&2; exit 3; }
cat >"$directory/spandsp.c" <<'SOURCE'
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The few functions of spandsp that are used, as its documentation has them; an opaque state each. */
void *g722_encode_init(void *state, int rate, int options);
int g722_encode(void *state, uint8_t codes[], const int16_t samples[], int count);
void *g722_decode_init(void *state, int rate, int options);
int g722_decode(void *state, int16_t samples[], const uint8_t codes[], int count);
void *g711_init(void *state, int law);
int g711_encode(void *state, uint8_t codes[], const int16_t samples[], int count);
int g711_decode(void *state, int16_t samples[], const uint8_t codes[], int count);

enum { LANES = 32, FRAMES = 100, TURNS = 9, MOST = (FRAMES + LANES) * 320 };
typedef enum { PCMU, PCMA, G722 } codec;
static const char *const names[] = { "pcmu", "pcma", "g722" };

static int16_t samples[MOST], out[LANES][320];
static uint8_t codes[MOST], coded[LANES][320];

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static void *start(codec which, int encodes)
{
    if (which == G722)
        return encodes ? g722_encode_init(NULL, 64000, 0) : g722_decode_init(NULL, 64000, 0);
    return g711_init(NULL, which == PCMU);
}

static void step(codec which, int encodes, void *state, int lane, const int16_t *said, const uint8_t *heard)
{
    if (which == G722) {
        if (encodes)
            g722_encode(state, coded[lane], said, 320);
        else
            g722_decode(state, out[lane], heard, 160);
    } else if (encodes)
        g711_encode(state, coded[lane], said, 160);
    else
        g711_decode(state, out[lane], heard, 160);
}

int main(int count, char **words)
{
    double turn = atof(words[1]) * 1e6;
    for (int which = PCMU; which <= G722; which++) {
        int frame = which == G722 ? 320 : 160, total = (FRAMES + LANES) * frame;
        FILE *file = fopen(which == G722 ? "wide.raw" : "narrow.raw", "rb");
        if (count < 2 || !file || fread(samples, 2, total, file) != (size_t)total)
            return 1;
        fclose(file);
        void *once = start(which, 1);
        for (int n = 0; n < FRAMES + LANES; n++) {
            if (which == G722)
                g722_encode(once, codes + n * 160, samples + n * 320, 320);
            else
                g711_encode(once, codes + n * 160, samples + n * 160, 160);
        }
        for (int encodes = 1; encodes >= 0; encodes--) {
            void *states[LANES];
            for (int lane = 0; lane < LANES; lane++)
                states[lane] = start(which, encodes);
            for (int turns = 0; turns < TURNS; turns++) {
                double begin = now(), end = begin;
                long steps = 0;
                do {
                    for (int some = 0; some < 8; some++, steps++)
                        for (int lane = 0; lane < LANES; lane++) {
                            int at = steps % FRAMES + lane;
                            step(which, encodes, states[lane], lane, samples + at * frame, codes + at * 160);
                        }
                    end = now();
                } while (end - begin < turn);
                printf("%s %s %.3f\n", names[which], encodes ? "encode" : "decode", (end - begin) / steps / LANES);
            }
        }
    }
    return 0;
}
SOURCE
cc -O2 -o "$directory/spandsp" "$directory/spandsp.c" -lspandsp -lm 2>"$directory/cc.txt" || { echo "spandsp is not installed, or cannot be linked with" >&2; exit 3; }
cd "$directory"
first=()
# As ours is measured.
if chrt -f 9 true 2>/dev/null; then first=(chrt -f 9); fi
exec "${first[@]}" taskset -c "$cpu" ./spandsp "$milliseconds"
