import synthetic
from synthetic.testing import keys


def test_a_key_for_tests_signs_and_verifies():
    with synthetic.configured(keys=keys()), synthetic.simulated(run="test") as marker:
        headers = synthetic.headers()
        with synthetic.admitted(headers) as admitted:
            assert admitted == marker


def test_every_call_makes_a_new_key():
    assert keys()["keys"][0]["k"] != keys()["keys"][0]["k"]
    assert keys("mine")["keys"][0]["kid"] == "mine"
