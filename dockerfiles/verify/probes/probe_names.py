"""The standard library has the names that CPython has, and they take the same arguments.

names-LANGUAGE.jsonl has CPython's, as names.py writes them; a language without one is not compared.
What is known to be absent is in versions/verify.toml.
"""

import ast
import fnmatch
import json
import os

from probing import Probe

FOLDER = os.path.dirname(os.path.abspath(__file__))


def reference(language):
    """CPython's modules: for each name how it is called, or None."""
    path = os.path.join(FOLDER, "names-%s.jsonl" % language)
    if not os.path.exists(path):
        return {}
    modules = {}
    with open(path) as lines:
        next(lines)
        for line in lines:
            modules.update(json.loads(line))
    return modules


def differences(theirs, ours):
    """Dotted names, and what is wrong with each; None if nothing is."""
    for module, names in sorted(theirs.items()):
        if ours[module] is None:
            yield module, "cannot be imported"
            continue
        for name, call in sorted(names.items()):
            if name not in ours[module]:
                yield module + "." + name, "is missing; CPython has it"
            else:
                yield module + "." + name, refused(ours[module][name], call)


def refused(ours, theirs):
    """Calls that CPython takes and PyPy does not; None if there are none, or one says nothing."""
    own, wanted = parameters(ours), parameters(theirs)
    if own is None or wanted is None or (own.vararg and own.kwarg):
        return None
    if own.vararg is None and (wanted.vararg or count(own) < count(wanted)):
        return "takes fewer arguments than CPython's %s" % theirs
    if required(own) > required(wanted):
        return "needs more arguments than CPython's %s" % theirs
    # PyPy's built-in functions say that they take all by position, and take all by name too.
    known = names(own.posonlyargs + own.args + own.kwonlyargs)
    lacking = [name for name in names(wanted.args + wanted.kwonlyargs) if name not in known]
    if own.kwarg is None and (lacking or wanted.kwarg):
        return "does not take %s by name as CPython's %s" % (", ".join(lacking) or "all", theirs)
    return None


def parameters(signature):
    """A signature as a syntax tree; None without one, or with a parameter that is a keyword."""
    try:
        return signature and ast.parse("def f%s: pass" % signature).body[0].args
    except SyntaxError:
        return None


def count(tree):
    return len(tree.posonlyargs) + len(tree.args)


def required(tree):
    return count(tree) - len(tree.defaults)


def names(parameters):
    return [parameter.arg for parameter in parameters]


def unknown(pairs, absent):
    """What is wrong and not known to be so."""
    for name, problem in pairs:
        if problem and not any(fnmatch.fnmatchcase(name, pattern) for pattern in absent):
            yield name, problem


def compare(language, absent):
    theirs = reference(language)
    if not theirs:
        return 0, []
    from names import collect

    pairs = list(differences(theirs, collect(theirs, inherited=True)))
    return len(pairs), list(unknown(pairs, absent))


if __name__ == "__main__":
    request = Probe("names").request
    checks, failures = compare(request["language"], request["absent"])
    failures = [{"subject": name, "message": problem} for name, problem in failures]
    print(json.dumps({"probe": "names", "checks": checks, "failures": failures}))
