"""Tests of test_summary.py: a lost test must never look like a passed one."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import test_summary

GTEST_GOOD = "[       OK ] A.b (0 ms)\n[==========] 2 tests ran.\n[  PASSED  ] 2 tests.\n"
GTEST_BAD = ("[  FAILED  ] A.b (0 ms)\n[  PASSED  ] 3 tests.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] A.b\n")
GTEST_CRASH = "[ RUN      ] A.a\n[       OK ] A.a (0 ms)\n[ RUN      ] A.b\nSegmentation fault\n"


def junit(*cases):
    body = "".join(f'<testcase name="{name}" status="{status}">{inner}<system-out>{output}</system-out></testcase>'
                   for name, status, inner, output in cases)
    return f'<?xml version="1.0"?><testsuite>{body}</testsuite>'


class SummaryTest(unittest.TestCase):
    def run_on(self, **files):
        with tempfile.TemporaryDirectory() as name:
            for file, text in files.items():
                (Path(name) / file.replace("_", ".")).write_text(text)
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                status = test_summary.summarize(Path(name))
            return status, out.getvalue().splitlines()

    def test_cases_of_all_programs_add_up(self):
        status, lines = self.run_on(fast_xml=junit(("base", "run", "", GTEST_GOOD), ("tidy", "run", "", "fine")),
                                    slow_xml=junit(("tsdb", "run", "", GTEST_GOOD)),
                                    acceptance_txt="...\n12 passed, 0 failed\n")
        self.assertEqual((status, lines), (0, ["17 passed, 0 failed"]))

    def test_failures_are_counted_and_named(self):
        status, lines = self.run_on(fast_xml=junit(("base", "fail", "<failure/>", GTEST_BAD)))
        self.assertEqual((status, lines), (1, ["FAILED base: A.b", "3 passed, 1 failed"]))

    def test_a_crash_is_a_failure_and_what_had_passed_counts(self):
        status, lines = self.run_on(fast_xml=junit(("base", "fail", "<failure/>", GTEST_CRASH)))
        self.assertEqual((status, lines), (1, ["FAILED base", "1 passed, 1 failed"]))

    def test_an_error_after_all_cases_passed_is_a_failure(self):
        status, lines = self.run_on(fast_xml=junit(("base", "fail", "<failure/>", GTEST_GOOD)))
        self.assertEqual((status, lines[-1]), (1, "2 passed, 1 failed"))

    def test_a_program_that_is_not_there_is_a_failure(self):
        missing = '<skipped message="Unable to find executable"/>'
        absent = ("base", "notrun", missing, "Unable to find executable: /b/base_test")
        status, lines = self.run_on(fast_xml=junit(absent))
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))

    def test_acceptance_without_a_summary_or_with_an_exit_status_is_a_failure(self):
        for text in ("", "half way\n", "3 passed, 0 failed\nexit status 1\n"):
            status, _ = self.run_on(fast_xml=junit(("base", "run", "", GTEST_GOOD)), acceptance_txt=text)
            self.assertEqual(status, 1, text)

    def test_what_was_skipped_or_disabled_does_not_count(self):
        status, lines = self.run_on(fast_xml=junit(
            ("base", "run", "", GTEST_GOOD), ("a", "notrun", '<skipped message="SKIP_RETURN_CODE=77"/>', ""),
            ("b", "disabled", '<skipped message="Disabled"/>', "")))
        self.assertEqual((status, lines), (0, ["2 passed, 0 failed"]))

    def test_nothing_run_is_a_failure(self):
        self.assertEqual(self.run_on(), (1, ["0 passed, 1 failed"]))

class TargetsTest(unittest.TestCase):
    def test_programs_of_matching_tests(self):
        with tempfile.TemporaryDirectory() as build:
            file = Path(build) / "src/base/CTestTestfile.cmake"
            file.parent.mkdir(parents=True)
            file.write_text(f'add_test([=[base]=] "{build}/src/base/base_test")\n'
                            f'add_test(tsdb "{build}/src/tsdb/tsdb_test" "--gtest_filter=A.*")\n'
                            'add_test([=[tidy]=] "/usr/bin/python3" "/src/tools/tidy.py")\n')
            self.assertEqual(test_summary.targets(build, "base"), ["src/base/base_test"])
            self.assertEqual(test_summary.targets(build, "^t"), ["src/tsdb/tsdb_test"])


if __name__ == "__main__":
    unittest.main()
