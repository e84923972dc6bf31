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


class TestCase:
    """A class of tests: every method named ``test…`` runs on its own instance."""

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def fail(self, msg=None):
        raise AssertionError(msg or "failed")

    def skipTest(self, reason):
        raise SkipTest(reason)

    def _check(self, good, text, msg):
        if not good:
            raise AssertionError(text if msg is None else "%s : %s" % (text, msg))

    def assertEqual(self, first, second, msg=None):
        self._check(first == second, "%r != %r" % (first, second), msg)

    def assertNotEqual(self, first, second, msg=None):
        self._check(first != second, "%r == %r" % (first, second), msg)

    def assertTrue(self, value, msg=None):
        self._check(value, "%r is not true" % (value,), msg)

    def assertFalse(self, value, msg=None):
        self._check(not value, "%r is not false" % (value,), msg)

    def assertIn(self, member, container, msg=None):
        self._check(member in container, "%r not in %r" % (member, container), msg)

    def assertNotIn(self, member, container, msg=None):
        self._check(member not in container, "%r in %r" % (member, container), msg)

    def assertIsNone(self, value, msg=None):
        self._check(value is None, "%r is not None" % (value,), msg)

    def assertIsNotNone(self, value, msg=None):
        self._check(value is not None, "unexpectedly None", msg)

    def assertLess(self, first, second, msg=None):
        self._check(first < second, "%r not less than %r" % (first, second), msg)

    def assertLessEqual(self, first, second, msg=None):
        self._check(first <= second, "%r not at most %r" % (first, second), msg)

    def assertGreater(self, first, second, msg=None):
        self._check(first > second, "%r not greater than %r" % (first, second), msg)

    def assertGreaterEqual(self, first, second, msg=None):
        self._check(first >= second, "%r not at least %r" % (first, second), msg)

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
