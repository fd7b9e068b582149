#!/usr/bin/env python3
"""Adds up what `./dev test` ran and ends with one line: "N passed, N failed".

    test_summary.py RESULTS_DIR           reads *.xml (ctest's JUnit) and acceptance*.txt; exit status 1 on any failure
    test_summary.py --targets BUILD_DIR FILTER
                                          prints the ninja targets of the tests whose name matches FILTER
"""
import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

GTEST_PASSED = re.compile(r"^\[  PASSED  \] (\d+) tests?\.", re.M)
GTEST_FAILED = re.compile(r"^\[  FAILED  \] (\d+) tests?, listed below", re.M)
GTEST_FAILED_NAME = re.compile(r"^\[  FAILED  \] (\w+[./][\w./]+)", re.M)
GTEST_OK = re.compile(r"^\[       OK \] ", re.M)
LAST_LINE = re.compile(r"^(\d+) passed, (\d+) failed", re.M)


def count_program(ok, output):
    """(passed, failed, names of what failed) of one ctest test: its gtest cases, or 1 when it is no gtest program."""
    failed_names = sorted(set(GTEST_FAILED_NAME.findall(output)))
    passed = GTEST_PASSED.findall(output)
    if not passed:
        # No summary: no gtest program, or one that died on the way. What it finished still counts.
        finished = len(GTEST_OK.findall(output))
        return (finished or 1, 0, []) if ok else (finished, 1 + len(failed_names), failed_names)
    failed = sum(int(n) for n in GTEST_FAILED.findall(output))
    if not ok and failed == 0:
        failed = 1  # all cases passed and the program still failed: a leak, a crash at exit
    return sum(int(n) for n in passed), failed, failed_names


def count_ctest(path):
    passed, failed, names = 0, 0, []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        status = case.get("status")
        skipped = case.find("skipped")
        if status == "disabled" or (skipped is not None and skipped.get("message", "").startswith("SKIP_")):
            continue
        ok = status == "run" and case.find("failure") is None
        more_passed, more_failed, more_names = count_program(ok, case.findtext("system-out") or "")
        passed += more_passed
        failed += more_failed
        if more_failed:
            names += [f"{case.get('name')}: {name}" for name in more_names] or [case.get("name")]
    return passed, failed, names


def count_acceptance(text):
    lines = LAST_LINE.findall(text)
    if not lines:
        return 0, 1, ["acceptance: ended without a summary"]
    passed, failed = (int(n) for n in lines[-1])
    if failed == 0 and re.search(r"^exit status [1-9]", text, re.M):
        return passed, 1, ["acceptance: ended with an error"]
    return passed, failed, ["acceptance"] if failed else []


def summarize(results):
    passed, failed, names = 0, 0, []
    for path in sorted(results.iterdir()):
        if path.suffix == ".xml":
            counted = count_ctest(path)
        elif path.name.startswith("acceptance") and path.suffix == ".txt":
            counted = count_acceptance(path.read_text(errors="replace"))
        else:
            continue
        passed, failed, names = passed + counted[0], failed + counted[1], names + counted[2]
    if passed + failed == 0:
        print("no test was run", file=sys.stderr)
        failed = 1
    for name in names:
        print(f"FAILED {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


# As CMake writes it: add_test([=[name]=] "/path/of/program" "argument" ...)
ADD_TEST = re.compile(r'^add_test\((?:\[=*\[)?(.+?)(?:\]=*\])?((?: "[^"]*")+)\)', re.M)


def targets(build_dir, name_filter):
    """Read from CMake's own files, because ctest leaves out the command of a program that is not built yet."""
    build_dir = os.path.abspath(build_dir)
    found = set()
    for file in Path(build_dir).rglob("CTestTestfile.cmake"):
        for name, command in ADD_TEST.findall(file.read_text()):
            if re.search(name_filter, name):
                found.update(word for word in re.findall(r'"([^"]*)"', command) if word.startswith(build_dir + os.sep))
    return sorted(os.path.relpath(word, build_dir) for word in found)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "--targets":
        print("\n".join(targets(sys.argv[2], sys.argv[3])))
    elif len(sys.argv) == 2:
        sys.exit(summarize(Path(sys.argv[1])))
    else:
        sys.exit(__doc__)
