#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Inputs for the real programs, the same in every run.

generate.py json|xml|c|cxx|lines|postscript|smt|repository FILE [PART]

PART 8: an eighth as large; of json, xml, c, lines and postscript.
"""
import os
import random
import subprocess
import sys


def write_json(out, part=1):
    rng = random.Random(1)
    out.write("[\n")
    for i in range(60000 // part):
        out.write('%s{"id":%d,"name":"%s","tags":["a","bb",%d],"geo":{"x":%.4f,"y":%.4f},"ok":%s}\n' % (
            "," if i else "", i, "n" * rng.randrange(3, 30), i % 11, rng.random(), rng.random(),
            "true" if i % 2 else "null"))
    out.write("]\n")


def write_c(out, part=1):
    out.write("struct point { long x, y; struct point *next; };\n")
    for i in range(60 // part):
        out.write(f"__attribute__((noinline)) static long part_{i}(struct point *p, long n)\n"
                  f"{{\n\tlong sum = {i};\n")
        for j in range(8):
            out.write(f"\tfor (long k = 0; k < n; k++) {{ if (p->x > k * {j + 1}) sum += p->y ^ k; "
                      f"else sum -= p->x * {i % 13 + 1}; p = p->next ? p->next : p; }}\n")
        out.write("\treturn sum;\n}\n")
    out.write("long all(struct point *p, long n)\n{\n\tlong sum = 0;\n")
    out.writelines(f"\tsum += part_{i}(p, n);\n" for i in range(60 // part))
    out.write("\treturn sum;\n}\n")


def write_xml(out, part=1):
    rng = random.Random(7)
    out.write("<all>\n")
    for i in range(60000 // part):
        out.write(f'<item id="{i}"><name>{"n" * rng.randrange(3, 30)}</name><tag>{i % 11}</tag></item>\n')
    out.write("</all>\n")


def write_cxx(out):
    out.write("#include <algorithm>\n#include <functional>\n#include <map>\n#include <memory>\n"
              "#include <string>\n#include <unordered_map>\n#include <vector>\n")
    for i in range(3):
        out.write(f"struct T{i} {{ int v; bool operator<(const T{i} &o) const {{ return v < o.v; }} }};\n"
                  f"int use_{i}(int n) {{ std::map<T{i}, std::vector<std::string>> m; std::vector<T{i}> v;\n"
                  f"for (int k = 0; k < n; k++) {{ "
                  f"v.push_back({{k}}); m[{{k % 7}}].push_back(std::to_string(k)); }}\n"
                  f"std::sort(v.begin(), v.end()); "
                  f"std::function<int(int)> f = [&](int a) {{ return a + v[0].v; }};\n"
                  f"auto p = std::make_shared<std::unordered_map<std::string, T{i}>>();\n"
                  f"(*p)[\"a\"] = {{n}};\n"
                  f"return f((int)m.size()) + (*p)[\"a\"].v; }}\n")


def write_lines(out, part=1):
    rng = random.Random(2)
    for i in range(600000 // part):
        out.write("%08x %d %s\n" % (rng.getrandbits(32), i, "abcdefghij"[: rng.randrange(1, 10)] * 3))


def write_postscript(out, part=1):
    rng = random.Random(3)
    out.write("%!PS\n")
    for page in range(25 // part):
        for i in range(400):
            out.write("%d %d moveto %d %d %d %d %d %d curveto %.2f setgray %s\n" % (
                *(rng.randrange(600) for _ in range(8)), rng.random(), "fill" if i % 2 else "stroke"))
        out.write("/Helvetica findfont %d scalefont setfont 72 %d moveto (page %d) show showpage\n" % (
            10 + page, 700 - page * 20, page))


def write_smt(out):
    """Place queens and colour a graph: enough clauses to keep a solver busy for a second or two."""
    rng, nodes = random.Random(4), 130
    out.write("(set-logic QF_LIA)\n")
    out.writelines(f"(declare-const c{i} Int)(assert (and (<= 0 c{i}) (< c{i} 5)))\n" for i in range(nodes))
    for _ in range(nodes * 4):
        a, b = rng.sample(range(nodes), 2)
        out.write(f"(assert (not (= c{a} c{b})))\n")
    out.writelines(f"(assert (<= (+ c{i} c{i + 1} c{i + 2}) 9))\n" for i in range(nodes - 2))
    out.write("(check-sat)\n")


def make_repository(path):
    """A bare repository of loose history, made by fast-import: 400 commits over 60 files."""
    rng = random.Random(5)
    subprocess.run(["git", "init", "-q", "--bare", path], check=True)
    files = [["line %d of file %d\n" % (i, f) for i in range(400)] for f in range(60)]
    stream = []
    for commit in range(400):
        stream.append("commit refs/heads/main\ncommitter b <b@localhost> %d +0000\ndata 1\nc\n" %
                      (10**9 + commit))
        for f in rng.sample(range(60), 5):
            files[f][rng.randrange(400)] = "changed in %d: %x\n" % (commit, rng.getrandbits(64))
            text = "".join(files[f])
            stream.append("M 100644 inline dir%d/file%d\ndata %d\n%s\n" % (f % 7, f, len(text), text))
    subprocess.run(["git", "-C", path, "fast-import", "--quiet", "--depth=0"], input="".join(stream).encode(),
                   check=True)


WRITERS = {"json": write_json, "xml": write_xml, "c": write_c, "cxx": write_cxx, "lines": write_lines,
           "postscript": write_postscript, "smt": write_smt}

if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in {*WRITERS, "repository"}:
        sys.exit(__doc__)
    if sys.argv[1] == "repository":
        make_repository(os.path.abspath(sys.argv[2]))
    else:
        with open(sys.argv[2], "w") as file:
            WRITERS[sys.argv[1]](file, *map(int, sys.argv[3:]))
