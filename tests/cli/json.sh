#!/bin/bash
# JSON as it is written: what import takes and refuses is what RFC 8259 says (compared with Python's strict reader), and
# what it takes comes out again character for character but for the white space between the parts.
source "$BATPAK_SOURCE/tests/cli/lib.bash"

run 0 init ./s
python3 - "$BATPAK" <<'END' || fail "see above"
import json, random, subprocess, sys

random.seed(7)
seeds = ['{"a":[1,2.5e3,{"b":null}],"c":"x\\u00e9\\n"}', '[true,false,null,-0.0,1E5,1e+400,123456789012345678901234567890]',
         '"\\ud83d\\ude00 é€😀"', '{"k":[ {} , [ ] , {"":""} ] , "k":2}', ' [ "a" , 12 ] ', "0", "-1", "{}", '"\\u0000\\/\\b"',
         "[" * 500 + "]" * 500]
bad = ["", "[1,]", "{,}", '{"a":1,}', "01", "-", "1.", ".5", "1e", "+1", "NaN", "Infinity", "tru", "nul", '"', '"\\x"', '"\\u12"',
       '"\t"', "[1 2]", '{"a" 1}', "{1:2}", "]", "}", "'a'", '"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"', "[" * 513 + "]" * 513,
       "1 2", "{}{}", "/**/1", '{"a":}', '"\x7f"[']
alphabet = '{}[]",:\\/u0123456789eE+-. abfnrtdD\u00e9\u20ac'


def constant(name):
    raise ValueError(name)


def halves(text):
    """Half a surrogate pair somewhere, which Python takes."""
    return any(0xD800 <= ord(c) < 0xE000 for c in json.dumps(json.loads(text), ensure_ascii=False))


def good(text):
    try:
        json.loads(text, parse_constant=constant, parse_int=str, parse_float=str)
        if text.count("[") + text.count("{") > 500:
            return text.count("[") <= 512
        return not halves(text)
    except ValueError:
        return False


def compact(text):
    out, quoted, at = [], False, 0
    while at < len(text):
        c = text[at]
        if quoted and c == "\\":
            out.append(text[at : at + 2])
            at += 2
            continue
        if c == '"':
            quoted = not quoted
        if quoted or c not in " \t\r\n":
            out.append(c)
        at += 1
    return "".join(out)


texts = seeds + bad
for _ in range(4000):
    text = list(random.choice(seeds[:-1]))
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(text) + 1)
        how = random.randrange(3)
        if how == 0 and at < len(text):
            text[at] = random.choice(alphabet)
        elif how == 1:
            text.insert(at, random.choice(alphabet))
        elif at < len(text):
            del text[at]
    texts.append("".join(text))

with open("texts.jsonl", "w", encoding="utf-8") as file:
    for number, text in enumerate(texts):
        file.write('{"entity":"%d","scope":"x","payload":%s}\n' % (number, text))
# A text that breaks out of its place in the line is judged as the whole line.
whole = ['{"entity":"%d","scope":"x","payload":%s}' % pair for pair in enumerate(texts)]
fields = {"entity", "scope", "payload"}


def line_good(line):
    if not good(line):
        return False
    pairs = json.loads(line, object_pairs_hook=list)
    return len(pairs) == 3 and {key for key, _ in pairs} == fields


subprocess.run([sys.argv[1], "import", "./s", "texts.jsonl", "--on-error", "skip"], stderr=open("err", "w"), check=True)
lines = subprocess.run([sys.argv[1], "query", "./s", "--json"], stdout=subprocess.PIPE, check=True).stdout.decode()
there = {}
for line in lines.splitlines():
    start = line.index('"payload":') + 10
    there[int(json.loads(line)["entity"])] = line[start : line.index(',"payload_type":"json"')]
faults = 0
for number, (text, line) in enumerate(zip(texts, whole)):
    expected = line_good(line)
    if expected != (number in there):
        print("refused" if expected else "taken", "but should not be:", text)
        faults += 1
    elif expected and good(text) and there[number] != compact(text):
        print("changed:", text, "into", there[number])
        faults += 1
assert len(there) > 500, len(there)
sys.exit(faults > 0)
END
