"""Tests of tidy.py: each rule must fire on what it forbids and stay silent on what only looks like it."""
import tempfile
import unittest
from pathlib import Path

import tidy

LAYERS = "# comment\n0 base\n1 model\n2 net\n2 text\n3 app\n"


class TreeCase(unittest.TestCase):
    """A small project in a temporary folder."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = Path(holder.name)
        self.write("tools/layers.txt", LAYERS)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def check(self, waivers=""):
        self.write("tools/tidy_waivers.txt", waivers)
        findings, self.warnings = tidy.check_all(self.root)
        return tidy.apply_waivers([f for f in findings if f.rule != "readme"],
                                  tidy.read_waivers(self.root / tidy.WAIVERS))


class LayersTest(TreeCase):
    def test_down_and_same_module_are_fine_up_and_sideways_are_not(self):
        self.write("src/net/a.cc", '#include "net/b.h"\n#include "base/c.h"\n#include <app/x.h>\n')
        self.assertEqual(self.check(), [])
        self.write("src/net/a.cc", '#include "text/b.h"\n')
        self.assertIn("src/net/a.cc:1: layers: src/net (level 2) may not include src/text (level 2)", self.check())
        self.write("src/net/a.cc", '\n  #  include "app/b.h"\n')
        self.assertIn("src/net/a.cc:2: layers: src/net (level 2) may not include src/app (level 3)", self.check())

    def test_paths_start_at_src(self):
        self.write("src/net/a.cc", '#include "b.h"\n#include "../base/c.h"\n')
        self.assertEqual(len(self.check()), 2)

    def test_a_folder_needs_a_level(self):
        self.write("src/other/a.cc", "")
        self.assertIn("no level", self.check()[0])


class BannedTest(TreeCase):
    def test_each_banned_name_is_found_with_its_replacement(self):
        bad = {
            "std::regex r(x);": "RE2",
            "int i = rand();": "base/random.h",
            "int i = std::rand();": "base/random.h",
            "std::mt19937_64 g;": "base/random.h",
            "double d = strtod(p, &e);": "parse_double",
            "int i = atoi(p);": "parse_int",
            "int i = std::stoi(s);": "parse_int",
            "auto t = std::chrono::system_clock::now();": "Clock",
            "auto t = time(nullptr);": "Clock",
            "co_spawn(ex, f(), asio::detached);": "net::spawn",
            "std::this_thread::sleep_for(1s);": "Scheduler",
            'for (const auto& e : node.get("x").entries()) {': "named YamlNode",
            "usleep(10);": "Scheduler",
            "std::cout << x;": "log_info",
        }
        for code, replacement in bad.items():
            self.write("src/net/a.cc", code + "\n")
            messages = self.check()
            self.assertEqual(len(messages), 1, code)
            self.assertIn(replacement, messages[0])

    def test_what_only_looks_like_it_passes(self):
        for code in ("// std::regex", "/* rand() */", 'log("std::cout");', "random.rand(3);", "int operand(int);",
                     'R"(std::stoi(x))";', "net::sleep_for(1s);", "my_time(nullptr);", "co_await sleep_for(x);",
                     "for (const auto& e : node.entries()) {",
                     "for (const auto& e : std::as_const(x)) y(z.entries());"):
            self.write("src/net/a.cc", code + "\n")
            self.assertEqual(self.check(), [], code)

    def test_places_where_a_name_is_at_home(self):
        self.write("src/base/clock.cc", "auto t = std::chrono::system_clock::now();\n")
        self.write("src/app/main.cc", "std::cout << 1;\n")
        self.write("src/net/a.cc", "using namespace std::chrono_literals;\n")
        self.assertEqual(self.check(), [])
        self.write("src/net/a.h", "using namespace std::chrono_literals;\n")
        self.assertEqual(len(self.check()), 1)


class FunctionsTest(unittest.TestCase):
    def names(self, code):
        return [(name, size) for name, _, size in tidy.functions(tidy.strip_cxx(code))]

    def test_functions_at_namespace_and_class_scope(self):
        code = """
        namespace a::b {
        struct S : Base {
          S(int x) : x_(x), y_{1} {}
          explicit S(std::string s)
              : x_{2}, y_{std::move(s)} {
            if (x_) return;
          }
         private:
          int f() const { return g([] { return 1; }); }
        };
        enum class E { kA, kB };
        constexpr int kTable[] = {1, 2};
        static const auto kF = [](int x) { return x; };
        template <class T>
        auto S::operator()(T t) -> int
        {
          if (t) {
            return 1;
          }
          return 0;
        }
        }
        TEST(Suite, Name) {
          const char* s = "}{";  // }
        }
        """
        self.assertEqual(self.names(code), [("S", 1), ("S", 4), ("f", 1), ("S::operator()", 8), ("Suite.Name", 3)])

    def test_default_arguments_and_operators(self):
        self.assertEqual(self.names("bool operator==(const A& o) {\n}\nint f(int x = 3,\n std::string s = {}) {\n}\n"),
                         [("operator==", 2), ("f", 3)])

    def test_macros_do_not_upset_the_count(self):
        self.assertEqual(self.names("#define M(x) do { x\n#define N \\\n  {{{\nvoid f() {\n}\n"), [("f", 2)])

    def test_digit_separators_and_raw_strings(self):
        self.assertEqual(self.names("int f() { return 1'000'000; }\nauto g() { return R\"x({)\" )x\"; }\n"),
                         [("f", 1), ("g", 1)])


class SizesTest(TreeCase):
    def test_long_lines_tabs_and_files(self):
        self.write("src/net/a.cc", "x" * 121 + "\n\ty\nz \n// https://" + "u" * 200 + "\n" + 'auto s = R"(' + "r" * 200 + ')";\n')
        self.assertEqual([m.split(": ")[1] for m in self.check()], ["line-length", "tab", "trailing-space"])
        self.write("src/net/a.cc", "x\n" * 1001)
        self.assertIn("1001 lines; the limit is 1000", self.check()[0])
        self.write("src/net/a.cc", "")
        self.write("docs/big.bin", "x" * (500 * 1024 + 1))
        self.assertIn("file-size", self.check()[0])

    def test_a_long_function_is_found_and_tests_may_be_longer(self):
        body = "void f() {\n" + "  g();\n" * 69 + "}\n"
        self.write("src/net/a.cc", body)
        self.assertIn("f has 71 lines; the limit is 70", self.check()[0])
        self.write("src/net/a.cc", "")
        self.write("src/net/a_test.cc", body)
        self.assertEqual(self.check(), [])

    def test_a_readme_is_needed_and_short(self):
        self.write("src/net/a.cc", "")
        findings, _ = tidy.check_all(self.root)
        self.assertEqual([f.rule for f in findings], ["readme"])
        self.write("src/net/README.md", "x\n" * 61)
        findings, _ = tidy.check_all(self.root)
        self.assertEqual([(f.rule, f.value) for f in findings], [("readme", 61)])

    def test_a_dead_header_is_only_a_warning(self):
        self.write("src/net/dead.h", "")
        self.write("src/net/dead.cc", '#include "net/dead.h"\n')
        self.write("src/net/used.h", "")
        self.write("src/app/main.cc", '#include "net/used.h"\n')
        self.assertEqual(self.check(), [])
        self.assertEqual(self.warnings, ["src/net/dead.h:1: dead-header: included by nobody"])


class WaiversTest(TreeCase):
    def setUp(self):
        super().setUp()
        self.write("src/net/a.cc", "void f() {\n" + "  g();\n" * 78 + "}\nint i = rand() + 1;\nint k = rand();\n")

    def test_an_exact_waiver_silences(self):
        self.assertEqual(self.check("function-length src/net/a.cc f 80  # why\nbanned src/net/a.cc rand 2\n"), [])

    def test_more_than_waived_fails(self):
        self.assertEqual(len(self.check("function-length src/net/a.cc f 79\nbanned src/net/a.cc rand 1\n")), 3)

    def test_less_than_waived_fails_and_says_what_to_write(self):
        messages = self.check("function-length src/net/a.cc f 90\nbanned src/net/a.cc rand 2\n")
        expected = f"{tidy.WAIVERS}:1: ratchet: function-length src/net/a.cc f is down to 80; write 80"
        self.assertEqual(messages, [expected])

    def test_a_waiver_for_nothing_fails(self):
        messages = self.check("function-length src/net/a.cc f 80\nbanned src/net/a.cc rand 2\ntab src/net/a.cc - 1\n")
        self.assertEqual(messages, [f"{tidy.WAIVERS}:3: ratchet: tab src/net/a.cc - is not needed any more; remove it"])


if __name__ == "__main__":
    unittest.main()
