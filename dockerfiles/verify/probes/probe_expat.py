"""pyexpat, and the parsers on top of it."""

import xml.dom.minidom
import xml.etree.ElementTree
import xml.sax
from xml.parsers import expat

from probing import Probe, equal, expect

probe = Probe("expat")
DOCUMENT = u'<?xml version="1.0" encoding="utf-8"?><a b="1">t\u00e9xt<c/></a>'.encode("utf-8")


@probe.check
def events():
    seen = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: seen.append((name, attributes))
    parser.EndElementHandler = seen.append
    parser.Parse(DOCUMENT, True)
    equal(seen, [("a", {"b": "1"}), ("c", {}), "c", "a"], "the events")


@probe.check
def errors():
    try:
        expat.ParserCreate().Parse(b"<a><b></a>", True)
    except expat.ExpatError as error:
        equal((error.lineno, error.offset), (1, 8), "the place of the error")
        expect("mismatched tag" in str(error), "the error is %s" % error)
    else:
        raise AssertionError("a document that is not well-formed was accepted")


@probe.check
def element_tree():
    equal(xml.etree.ElementTree.fromstring(DOCUMENT).text, u"t\u00e9xt", "the text")


@probe.check
def minidom():
    equal(xml.dom.minidom.parseString(DOCUMENT).documentElement.tagName, "a", "the root")


@probe.check
def sax():
    xml.sax.parseString(DOCUMENT, xml.sax.ContentHandler())


if __name__ == "__main__":
    probe.run()
