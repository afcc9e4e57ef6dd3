#!/usr/bin/env python3
"""Runs every command that a page shows and puts what it prints in place of what stands there.

Usage: bench/refresh.py [PAGE.md]      (docs/benchmarks.md)

A command is the first line of a fenced block, after "$ "; it runs in the repository's folder. Needs the release build with its tests and
benchmarks, `cmake/fetch_models.sh --peer`, and a machine that does nothing else meanwhile.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(block):
    command = block['command']
    print('$', command, flush=True)
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f'refresh.py: exit status {done.returncode}: {done.stderr.strip()}')
    output = '\n'.join(line.rstrip() for line in done.stdout.rstrip().splitlines())
    return f'```console\n$ {command}\n{output}\n```'


def main():
    page = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / 'docs' / 'benchmarks.md'
    text = page.read_text()
    page.write_text(re.sub(r'```console\n\$ (?P<command>.*)\n(?:.*\n)*?```', run, text))


if __name__ == '__main__':
    main()
