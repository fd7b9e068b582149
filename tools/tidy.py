#!/usr/bin/env python3
"""The house rules as a test: layers, banned names, sizes. Run by ctest (`tidy`), by `./dev test` and by `./dev tidy`.

    tidy.py [--root DIR]     prints PATH:LINE: RULE: MESSAGE for each finding; exit status 1 when there is one

What cannot be mended today is listed in tools/tidy_waivers.txt, which may only shrink: a waiver that allows more than
there is fails too, and the message says what to write instead.
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

LINE_LENGTH_MAX = 120
FUNCTION_LINES_MAX = 70
TEST_FUNCTION_LINES_MAX = 150  # tables of cases are data
FILE_LINES_MAX = 1000
FILE_BYTES_MAX = 500 * 1024
README_LINES_MAX = 60
WAIVERS = "tools/tidy_waivers.txt"

CXX = (".h", ".cc")
TEXT_WITH_LINES = CXX + (".py", ".cmake", ".sh")


class Banned(NamedTuple):
    name: str
    pattern: re.Pattern
    instead: str
    allowed_in: tuple = ()  # path prefixes
    headers_only: bool = False


def ban(name, pattern, instead, allowed_in=(), headers_only=False):
    return Banned(name, re.compile(pattern), instead, allowed_in, headers_only)


BANNED = (
    ban("std::regex", r"\bstd::w?regex\b|#include <regex>", "RE2: std::regex overflows the stack on hostile input"),
    ban("rand", r"(?<![\w.>])(?:std::)?s?rand\(", "base/random.h (seeded) or secure_random()"),
    ban("std::mt19937", r"\bstd::(?:mt19937\w*|random_device|default_random_engine)\b", "base/random.h"),
    ban("strtod", r"\b(?:std::)?(?:strto(?:d|f|ld|l|ll|ul|ull|imax|umax)|ato(?:i|l|ll|f))\(",
        "parse_double()/parse_int() of base/strings.h: no locale, the whole text or nothing"),
    ban("std::stoi", r"\bstd::sto(?:i|l|ll|ul|ull|f|d|ld)\(", "parse_int()/parse_double() of base/strings.h"),
    ban("system_clock::now", r"\bsystem_clock::now\b|(?<![\w.>:])time\((?:nullptr|NULL|0)\)|\bgettimeofday\(",
        "a Clock parameter: time is injected", ("src/base/",)),
    ban("localtime", r"(?<![\w.>])(?:std::)?(?:localtime(?:_r)?|gmtime|mktime)\(", "std::chrono, or cctz for zones"),
    ban("asio::detached", r"\basio::detached\b", "net::spawn(name, gate, task): detached drops exceptions"),
    ban("using namespace", r"\busing namespace\b", "a using declaration of what is needed", (), True),
    ban("sleep_for", r"\bthis_thread::sleep_(?:for|until)\(|(?<![\w.>:])(?:::)?u?sleep\(|\bnanosleep\(",
        "a timer of the Scheduler; in tests SimScheduler", ("src/base/scheduler.cc",)),
    ban("dangling entries()", r"\bfor \(.*[^:]:[^:].*\)\.entries\(\)\)",
        "a named YamlNode: the one that get() returned is gone before the first entry is read"),
    ban("std::cout", r"\bstd::cout\b", "log_info() of base/log.h; only src/app talks to the terminal", ("src/app/",)),
)


class Finding(NamedTuple):
    rule: str
    path: str
    key: str     # what in the file, for the waiver: a function, a banned name; "-" for the file as a whole
    value: int   # a size, or 1 for one occurrence; occurrences of the same key add up
    line: int
    message: str


# --- reading C++ ------------------------------------------------------------------------------------------------------

TOKEN = re.compile(
    r'(?P<raw>(?:u8|[uUL])?R"(?P<tag>[^()\\\s]{0,16})\((?:.|\n)*?\)(?P=tag)")'
    r"|(?P<line>//[^\n]*)"
    r"|(?P<block>/\*(?:.|\n)*?\*/)"
    r'|(?P<string>"(?:\\(?:.|\n)|[^"\\\n])*")'
    r"|(?P<number>(?<![\w])\d(?:[\w.]|'(?=\w)|(?<=[eEpP])[+-])*)"
    r"|(?P<char>'(?:\\.|[^'\\\n])+')")


def blank(text, keep_first=""):
    return keep_first + "".join(c if c == "\n" else " " for c in text[len(keep_first):])


def strip_cxx(text):
    """The code with comments, the insides of literals and digits' quotes blanked; every line keeps its number."""
    def replace(match):
        if match.lastgroup in ("string", "raw") or match.group("raw"):
            return blank(match.group(0), '"')[:-1] + '"'
        if match.group("number"):
            return match.group(0).replace("'", "_")
        return blank(match.group(0))
    return TOKEN.sub(replace, text)


def raw_string_lines(text):
    lines = set()
    for match in TOKEN.finditer(text):
        if match.group("raw"):
            first = text.count("\n", 0, match.start()) + 1
            lines.update(range(first, first + match.group(0).count("\n") + 1))
    return lines


NOT_A_FUNCTION = re.compile(r"^\s*(?:(?:inline\s+)?namespace\b|extern\s*\"[^\"]*\"\s*$)")
TYPE_HEAD = re.compile(r"^(?:template\s*<.*>\s*)?(?:typedef\s+)?(?:class|struct|union|enum)\b", re.S)
INITIALIZER = re.compile(r"=\s*$|\breturn\s*$|^(?:(?!operator)[^(])*[^=!<>]=[^=]")
FUNCTION_NAME = re.compile(r"((?:[\w:~]*::)?operator\s*(?:\(\)|[^\s\w(]+|\w+)|~?\w[\w:~]*)\s*\(")
ACCESS = re.compile(r"(?:\s*(?:public|private|protected)\s*:(?!:))*\s*")
# The text before the brace of `x_{1}` in a constructor's list, which is not yet the body.
MEMBER_INITIALIZER = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:).*[\w>]\s*$", re.S)


def blank_preprocessor(code):
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", lambda m: blank(m.group(0)), code, flags=re.M)


def function_name(head):
    match = FUNCTION_NAME.search(head)
    if not match:
        return "?"
    name = match.group(1)
    if name in ("TEST", "TEST_F", "TEST_P", "TYPED_TEST", "RC_GTEST_PROP"):
        arguments = re.match(r"\s*(\w+)\s*,\s*(\w+)", head[match.end():])
        if arguments:
            return f"{arguments.group(1)}.{arguments.group(2)}"
    return name


def functions(code):
    """(name, first line, number of lines) of each function defined at namespace or class scope in stripped code."""
    code = blank_preprocessor(code)
    found = []
    scopes = []  # "scope" of names; ("function", name, begin); "value" of a variable; "part" of a longer head
    start = 0    # where the text before the next brace begins
    inside = 0   # braces open that are not "scope"
    parens = 0
    for at, c in enumerate(code):
        if c == "(":
            parens += 1
        elif c == ")":
            parens = max(parens - 1, 0)
        elif c == ";" and not inside and parens == 0:
            start = at + 1
        elif c == "{":
            scope = "part" if inside or parens else classify(code, start, at)
            scopes.append(scope)
            if scope == "scope":
                start = at + 1
            else:
                inside += 1
        elif c == "}" and scopes:
            scope = scopes.pop()
            if scope != "scope":
                inside -= 1
            if scope != "part":
                start = at + 1
            if isinstance(scope, tuple):
                _, name, begin = scope
                found.append((name, code.count("\n", 0, begin) + 1, code.count("\n", begin, at) + 1))
    return found


def classify(code, start, brace):
    """What the brace at `brace` opens, by the text since `start`; at namespace or class scope only."""
    begin = start + ACCESS.match(code[start:brace]).end()
    text = code[begin:brace].strip()
    if not text or NOT_A_FUNCTION.match(text) or (TYPE_HEAD.match(text) and not text.endswith(")")):
        return "scope"
    if MEMBER_INITIALIZER.search(text):
        return "part"
    if "(" in text and not INITIALIZER.search(text):
        return ("function", function_name(text), begin)
    return "value"


# --- the rules --------------------------------------------------------------------------------------------------------

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def read_layers(root):
    levels = {}
    for line in (root / "tools/layers.txt").read_text().splitlines():
        if line and line[0].isdigit():
            level, name = line.split()[:2]
            levels[name] = int(level)
    return levels


def check_layers(path, text, levels):
    parts = path.split("/")
    if parts[0] != "src" or len(parts) < 3:
        return
    module = parts[1]
    if module not in levels:
        yield Finding("layers", path, "-", 1, 1, f"folder src/{module} has no level in tools/layers.txt")
        return
    for match in INCLUDE.finditer(text):
        target = match.group(1)
        line = text.count("\n", 0, match.start(1)) + 1
        other = target.split("/")[0]
        if "/" not in target or other not in levels:
            yield Finding("layers", path, target, 1, line,
                          f'"{target}": write the full path from src/, or <> for what is not ours')
        elif other != module and levels[other] >= levels[module]:
            yield Finding("layers", path, target, 1, line,
                          f"src/{module} (level {levels[module]}) may not include src/{other} (level {levels[other]})")


def check_banned(path, code):
    lines = code.split("\n")
    for rule in BANNED:
        if path.startswith(rule.allowed_in) if rule.allowed_in else False:
            continue
        if rule.headers_only and not path.endswith(".h"):
            continue
        for number, line in enumerate(lines, 1):
            if rule.pattern.search(line):
                yield Finding("banned", path, rule.name, 1, number, f"{rule.name} is banned; use {rule.instead}")


def check_functions(path, code):
    is_test = re.search(r"_(?:test|fuzz|bench)\.cc$", path) or path.startswith("tests/")
    limit = TEST_FUNCTION_LINES_MAX if is_test else FUNCTION_LINES_MAX
    longest = {}
    for name, line, size in functions(code):
        if size > limit and size > longest.get(name, (0, 0))[0]:
            longest[name] = (size, line)
    for name, (size, line) in longest.items():
        yield Finding("function-length", path, name, size, line, f"{name} has {size} lines; the limit is {limit}")


def check_lines(path, text):
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    if len(lines) > FILE_LINES_MAX:
        yield Finding("file-length", path, "-", len(lines), 1, f"{len(lines)} lines; the limit is {FILE_LINES_MAX}")
    exempt = raw_string_lines(text) if path.endswith(CXX) else set()
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_LENGTH_MAX and number not in exempt and "://" not in line:
            yield Finding("line-length", path, "-", 1, number, f"{len(line)} columns; the limit is {LINE_LENGTH_MAX}")
        if "\t" in line:
            yield Finding("tab", path, "-", 1, number, "a tab; use spaces")
        if line != line.rstrip() and number not in exempt:
            yield Finding("trailing-space", path, "-", 1, number, "space at the end of the line")


def check_readmes(root, paths, levels):
    for module in levels:
        readme = f"src/{module}/README.md"
        has_code = any(p.startswith(f"src/{module}/") and p.endswith(".cc") for p in paths)
        if readme not in paths:
            if has_code:
                yield Finding("readme", f"src/{module}", "-", 1, 1, "no README.md")
            continue
        count = len((root / readme).read_text().splitlines())
        if count > README_LINES_MAX:
            yield Finding("readme", readme, "-", count, 1, f"{count} lines; the limit is {README_LINES_MAX}")


def dead_headers(paths, texts):
    """Headers nobody includes. Only a warning: a header may be written before its user."""
    included = set()
    for path, text in texts.items():
        for target in INCLUDE.findall(text):
            own = path.endswith(".cc") and f"src/{target}"[:-2] == path[:-3]
            if not own:
                included.add(f"src/{target}")
    return [p for p in paths if p.startswith("src/") and p.endswith(".h") and p not in included
            and not p.endswith("/pch.h")]  # named in a CMakeLists.txt instead


def project_files(root):
    try:
        out = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             check=True, capture_output=True).stdout
        names = sorted(set(out.decode().split("\0")) - {""})
    except (subprocess.CalledProcessError, FileNotFoundError):
        # An unpacked release has no git.
        names = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()
                       and not {"build", "node_modules", ".git", "dist"} & set(p.relative_to(root).parts))
    return [n for n in names if (root / n).is_file()]


def check_all(root):
    """All findings, and warnings as text."""
    levels = read_layers(root)
    paths = project_files(root)
    findings = []
    texts = {}
    for path in paths:
        size = (root / path).stat().st_size
        if size > FILE_BYTES_MAX and not path.endswith("package-lock.json"):
            findings.append(Finding("file-size", path, "-", size, 1, f"{size} bytes; the limit is {FILE_BYTES_MAX}"))
        vendored = path.startswith("third_party/")
        if not path.endswith(TEXT_WITH_LINES) or vendored:
            continue
        text = (root / path).read_text(errors="replace")
        findings += check_lines(path, text)
        if path.endswith(CXX):
            texts[path] = text
            code = strip_cxx(text)
            findings += check_layers(path, text, levels)
            findings += check_banned(path, code)
            findings += check_functions(path, code)
    findings += check_readmes(root, set(paths), levels)
    warnings = [f"{path}:1: dead-header: included by nobody" for path in dead_headers(paths, texts)]
    return findings, warnings


# --- waivers ----------------------------------------------------------------------------------------------------------

def read_waivers(path):
    """{(rule, path, key): (allowed value, line)}; a line is `RULE PATH KEY VALUE`, then a comment that says why."""
    waivers = {}
    if not path.exists():
        return waivers
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) < 4 or not words[-1].isdigit():
            sys.exit(f"{path}:{number}: expected RULE PATH KEY VALUE")
        waivers[(words[0], words[1], " ".join(words[2:-1]))] = (int(words[-1]), number)
    return waivers


def apply_waivers(findings, waivers):
    """The messages that remain."""
    groups = {}
    for finding in findings:
        groups.setdefault((finding.rule, finding.path, finding.key), []).append(finding)
    messages = []
    for key, group in groups.items():
        value = sum(f.value for f in group)
        allowed, number = waivers.get(key, (0, 0))
        if value > allowed:
            messages += [f"{f.path}:{f.line}: {f.rule}: {f.message}" for f in group]
        elif value < allowed:
            messages.append(f"{WAIVERS}:{number}: ratchet: {' '.join(key)} is down to {value}; write {value}")
    for key, (_, number) in waivers.items():
        if key not in groups:
            messages.append(f"{WAIVERS}:{number}: ratchet: {' '.join(key)} is not needed any more; remove it")
    return messages


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root
    findings, warnings = check_all(root)
    messages = apply_waivers(findings, read_waivers(root / WAIVERS))
    for warning in warnings:
        print(f"{warning} (warning)")
    for message in messages:
        print(message)
    if messages:
        print(f"tidy: {len(messages)} findings")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
