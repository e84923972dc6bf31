"""The part of unittest that tests/portable uses, for interpreters that ship none.

CPython never sees this file: there the real unittest runs the same tests.  Names
and meanings are unittest's; a test that needs more than this is not portable.
"""

import sys


class SkipTest(Exception):
    """Raised by a test that cannot run here; carries the reason."""


class _Raises:
    """Context of ``assertRaises``; the exception caught is in ``.exception``."""

    def __init__(self, expected):
        self.expected = expected
        self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            raise AssertionError("%r was not raised" % (self.expected,))
        if not issubclass(kind, self.expected):
            return False
        self.exception = value
        return True


def _about_one(holds, text):
    """Return an assertion about one value, which fails as ``<value> <text>``."""

    def check(self, value, msg=None):
        if not holds(value):
            self._fail("%r %s" % (value, text), msg)

    return check


def _about_two(holds, text):
    """Return an assertion about two values, which fails as ``<first> <text> <second>``."""

    def check(self, first, second, msg=None):
        if not holds(first, second):  # only then is there a text to make, of any length
            self._fail("%r %s %r" % (first, text, second), msg)

    return check


class TestCase:
    """A class of tests: every method named ``test…`` runs on its own instance."""

    assertTrue = _about_one(lambda value: value, "is not true")
    assertFalse = _about_one(lambda value: not value, "is not false")
    assertIsNone = _about_one(lambda value: value is None, "is not None")
    assertIsNotNone = _about_one(lambda value: value is not None, "is None")
    assertEqual = _about_two(lambda a, b: a == b, "!=")
    assertNotEqual = _about_two(lambda a, b: a != b, "==")
    assertIn = _about_two(lambda a, b: a in b, "not in")
    assertNotIn = _about_two(lambda a, b: a not in b, "in")
    assertLess = _about_two(lambda a, b: a < b, "not less than")
    assertLessEqual = _about_two(lambda a, b: a <= b, "more than")
    assertGreater = _about_two(lambda a, b: a > b, "not more than")
    assertGreaterEqual = _about_two(lambda a, b: a >= b, "less than")

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def _fail(self, text, msg):
        raise AssertionError(text if msg is None else "%s : %s" % (text, msg))

    def fail(self, msg=None):
        raise AssertionError(msg or "failed")

    def skipTest(self, reason):
        raise SkipTest(reason)

    def assertRaises(self, expected):
        return _Raises(expected)


def skip(reason):
    """Decorate a test method that cannot run anywhere yet."""

    def decorate(_):
        def skipped(self):
            raise SkipTest(reason)

        return skipped

    return decorate


def skipIf(condition, reason):
    """Decorate a test method that cannot run where `condition` holds."""
    return skip(reason) if condition else lambda method: method


def skipUnless(condition, reason):
    """Decorate a test method that runs only where `condition` holds."""
    return skipIf(not condition, reason)


def _run_one(case, name):
    """Run one test on its own instance; return ``ok``, ``skipped`` or ``FAILED``."""
    label = "%s.%s" % (case.__name__, name)
    instance = case()
    try:
        instance.setUp()
        try:
            getattr(instance, name)()
        finally:
            instance.tearDown()
    except SkipTest as reason:
        print("%s: skipped (%s)" % (label, reason))
        return "skipped"
    except Exception as error:
        print("%s: FAILED" % label)
        sys.print_exception(error)
        return "FAILED"
    return "ok"


def run_module(module):
    """Run every test of `module`; return how many ran, failed and were skipped."""
    outcomes = []
    for case in [getattr(module, name) for name in sorted(dir(module))]:
        if isinstance(case, type) and issubclass(case, TestCase) and case is not TestCase:
            names = [name for name in sorted(dir(case)) if name.startswith("test")]
            outcomes.extend([_run_one(case, name) for name in names])
    return len(outcomes), outcomes.count("FAILED"), outcomes.count("skipped")
