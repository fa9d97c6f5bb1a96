"""Runs as processes, against a service in another process. What counts is what arrives there."""

from __future__ import annotations

import json
import time

import pytest

from tests.products.locust.runs import Runs, Service, until
from tests.support.keys import shared_key

QUICK = "users = 6\nrate = 50\nhealth = { window = '5s', fresh = '30s', minimum = 2 }\n"


def test_a_run_is_marked_and_ends_healthy(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure(QUICK)
    run = own_runs.start("rides.py")
    run.wait_for("drive is healthy")
    run.wait_for("ride is healthy")
    run.kill(15)
    assert run.exit_code() == 0
    sink = own_service.sink()
    assert (sink["unmarked"], sink["runs"]) == (0, ["staging"])
    # One token for each actor, for its life, and one trace for each journey.
    assert sink["actors"] == ["driver-0-1", "driver-0-2", *(f"rider-0-{number}" for number in range(1, 5))]
    assert sink["tokens"] == 6
    assert len(sink["traces"]) >= sink["met"]


def test_a_file_that_does_not_know_this_library_runs_marked(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 6\nrate = 50\n")
    run = own_runs.start("plain.py", "-t", "3s")
    assert run.exit_code() == 0, run.log()
    sink = own_service.sink()
    assert sink["unmarked"] == 0
    assert {name.rpartition("-")[0] for name in sink["actors"]} == {"websiteuser-0", "apiuser-0", "ownclientuser-0"}


def test_a_broken_step_is_named_with_its_trace(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure(QUICK)
    run = own_runs.start("rides.py")
    run.wait_for("drive is healthy")
    own_service.behave(finish=502)
    run.wait_for("drive is failing at finish: HTTP 502")
    (line,) = [line for line in run.log().splitlines() if "drive is failing" in line]
    assert line.rpartition("trace ")[2].rstrip(")") in own_service.sink()["traces"]
    run.kill(15)
    assert run.exit_code() == 1


def test_riders_and_drivers_of_different_workers_meet(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 12\nrate = 50\n")
    master, workers = own_runs.distributed("rides.py", 2)
    own_service.wait_for(200)
    until(lambda: own_service.sink()["met_across"] > 0)
    master.kill(15)
    assert [master.exit_code(), *(worker.exit_code() for worker in workers)] == [0, 0, 0]
    sink = own_service.sink()
    assert sink["unmarked"] == 0
    assert {name.split("-")[1] for name in sink["actors"]} == {"0", "1"}


def test_a_broken_step_is_named_where_workers_act(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure(QUICK)
    master, _ = own_runs.distributed("rides.py", 2)
    master.wait_for("drive is healthy")
    own_service.behave(finish=502)
    master.wait_for("drive is failing at finish: HTTP 502")


def test_the_dial_is_followed_up_and_down_and_to_its_stop(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 30\ndial = 'rides.dial'\n")
    own_runs.turn(4)
    master, workers = own_runs.distributed("rides.py", 2)
    until(lambda: len(own_service.sink()["actors"]) == 4)
    own_runs.turn(20)
    until(lambda: len(own_service.sink()["actors"]) == 20)
    own_runs.turn(0)
    own_service.last_after(time.time())
    own_runs.turn(4)
    own_service.wait_for(20)
    begun = time.time()
    own_runs.stop()
    own_service.last_after(begun)
    assert [master.exit_code(), *(worker.exit_code() for worker in workers)] == [0, 0, 0]
    assert own_service.sink()["unmarked"] == 0


def test_the_dial_never_asks_for_more_than_the_ceiling(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 5\ndial = 'rides.dial'\n")
    own_runs.turn(50)
    own_runs.start("rides.py")
    own_service.wait_for(150)
    assert len(own_service.sink()["actors"]) == 5


def test_a_run_with_a_dial_ends_with_its_time(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 4\ndial = 'rides.dial'\n")
    own_runs.turn(4)
    run = own_runs.start("rides.py", "-t", "4s")
    assert run.exit_code() == 0, run.log()
    assert "its time (--run-time) is over" in run.log()
    assert own_service.sink()["marked"] > 0


def test_a_run_that_cannot_sign_says_so_and_does_not_start(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure(QUICK)
    run = own_runs.start("rides.py", SYNTHETIC_KEYS="")
    assert run.exit_code() == 2
    assert "synthetic-traffic: " in run.log()
    assert "keys" in run.log()


def test_nobody_acts_when_the_lease_is_over_or_the_dial_is_gone(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 5\ndial = 'rides.dial'\n")
    own_runs.turn(5)
    run = own_runs.start("rides.py")
    own_service.wait_for(20)
    own_runs.turn(5, seconds=2)
    run.wait_for("its time is over: nobody acts")
    own_service.last_after(time.time())
    own_runs.turn(5)
    own_service.wait_for(20)
    own_runs.dial.unlink()
    run.wait_for("cannot be read")
    own_service.last_after(time.time())
    # The run goes on: whoever turns the dial again has actors again.
    own_runs.turn(5)
    own_service.wait_for(20)


def test_workers_stop_when_their_master_is_killed(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 8\nrate = 50\n")
    master, workers = own_runs.distributed("rides.py", 2)
    own_service.wait_for(50)
    master.kill()
    assert [worker.exit_code() for worker in workers] == [3, 3]
    assert "no word from the master" in workers[0].log()


def test_workers_stop_when_their_master_hangs(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 8\nrate = 50\n")
    master, workers = own_runs.distributed("rides.py", 2)
    own_service.wait_for(50)
    master.kill(19)
    assert [worker.exit_code() for worker in workers] == [3, 3]


def test_the_actors_of_a_killed_worker_act_on_another(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 12\nrate = 50\n")
    master, workers = own_runs.distributed("rides.py", 2)
    until(lambda: len(own_service.sink()["actors"]) == 12)
    first = {name for name in own_service.sink()["actors"] if name.split("-")[1] == "0"}
    workers[0].kill()
    until(lambda: len(own_service.sink()["actors"]) == 12 + len(first))
    assert not workers[1].log().count("stopped")
    master.kill(15)
    assert master.exit_code() == 0
    assert own_service.sink()["unmarked"] == 0


def test_a_worker_that_joins_late_acts_too(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 6\nrate = 50\n")
    master, _ = own_runs.distributed("rides.py", 1)
    own_service.wait_for(20)
    own_runs.worker("rides.py")
    until(lambda: any(name.split("-")[1] == "1" for name in own_service.sink()["actors"]))
    master.kill(15)
    assert master.exit_code() == 0
    assert own_service.sink()["unmarked"] == 0


def test_a_service_without_the_middleware_gets_no_actor(own_service: Service, own_runs: Runs) -> None:
    own_service.behave(guarded=False)
    own_runs.configure(QUICK)
    run = own_runs.start("rides.py")
    assert run.exit_code() == 3
    assert "open (status 404" in run.log()
    sink = own_service.sink()
    assert (sink["marked"], sink["unmarked"]) == (0, 0)


def test_a_service_without_keys_gets_no_actor(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure(QUICK)
    run = own_runs.start("rides.py", SYNTHETIC_KEYS=json.dumps(shared_key("other")))
    assert run.exit_code() == 3
    assert "it refuses every marker: unknown-key" in run.log()


@pytest.mark.parametrize("file", ["rides.py", "plain.py"])
def test_a_service_that_loses_its_middleware_stops_the_run(file: str, own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 8\nrate = 50\n")
    master, workers = own_runs.distributed(file, 2)
    own_service.wait_for(50)
    own_service.behave(guarded=False)
    assert master.exit_code() == 3
    assert "does not know markers" in master.log()
    for worker in workers:
        worker.exit_code()
    # Each of the eight actors had at most one request under way.
    assert 1 <= own_service.sink()["unmarked"] <= 8


def test_only_what_is_under_way_arrives_once_the_middleware_is_lost(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 6\nrate = 50\n")
    run = own_runs.start("eager.py", "--stop-timeout", "10")
    own_service.wait_for(200)
    own_service.behave(guarded=False)
    assert run.exit_code() == 3
    assert 1 <= own_service.sink()["unmarked"] <= 6


@pytest.mark.parametrize("user", ["WithLocust", "WithGevent", "WithRequests"])
def test_every_hop_of_every_client_is_looked_at(user: str, own_service: Service, own_runs: Runs) -> None:
    """The last answer comes from a service that knows markers. The preflight does not ask the one before."""
    own_runs.configure("users = 4\nrate = 50\n")
    run = own_runs.start("charges.py", user)
    own_service.wait_for(40)
    own_service.behave(charges=False)
    assert run.exit_code() == 3
    assert "was answered by a service that does not know markers" in run.log()
    assert 1 <= own_service.sink()["unmarked"] <= 4


@pytest.mark.parametrize("user", ["Spinning", "SpinningForEver"])
def test_an_actor_that_never_waits_ends_too(user: str, own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 2\nrate = 50\n")
    run = own_runs.start("charges.py", user)
    own_service.wait_for(40)
    own_service.behave(charges=False)
    assert run.exit_code() == 3
    assert 1 <= own_service.sink()["unmarked"] <= 2


def test_the_environment_of_the_target_holds_whatever_the_variable_says(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 4\nrate = 50\nenvironment = 'staging'\n")
    run = own_runs.start("plain.py", "-t", "3s", SYNTHETIC_ENVIRONMENT="elsewhere")
    assert run.exit_code() == 0, run.log()
    assert own_service.sink()["marked"] > 0


def test_a_call_of_nobody_is_refused_also_if_a_listener_configures(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 2\nrate = 50\nenvironment = 'staging'\n")
    run = own_runs.start("configures.py")
    run.wait_for("at the start: nobody has declared whether this call is simulated")
    assert own_service.sink()["unmarked"] == 0


def test_a_halted_run_stops(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("run = 'rush-hour'\n" + QUICK)
    run = own_runs.start("rides.py")
    run.wait_for("ride is healthy")
    own_service.halt_file.write_text("rush-hour")
    assert run.exit_code() == 3
    assert "stopped by a guardrail: the run is halted" in run.log()


def test_a_shed_request_is_no_failure(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure(QUICK.replace("30s", "3s"))
    own_service.behave(sheds=True)
    run = own_runs.start("rides.py", "--json")
    run.wait_for("ride is stale")
    own_service.behave(sheds=False)
    run.wait_for("ride is healthy")
    run.kill(15)
    assert run.exit_code() == 0
    assert "is failing" not in run.log()


def test_the_marker_does_not_go_along_to_a_foreign_host(own_service: Service, own_runs: Runs) -> None:
    own_service.behave(redirect="http://elsewhere.example/")
    own_runs.configure("users = 4\nrate = 50\n")
    run = own_runs.start("plain.py", "-t", "2s")
    run.exit_code()
    assert "elsewhere.example" in run.log()
    assert own_service.sink()["unmarked"] == 0


def test_a_request_that_no_actor_makes_is_not_sent(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 2\nrate = 50\n")
    run = own_runs.start("undeclared.py", "-t", "2s")
    run.exit_code()
    assert "nobody has declared whether this call is simulated" in run.log()
    sink = own_service.sink()
    assert sink["unmarked"] == 1  # the one in a block with real()
    assert sink["marked"] > 0


def test_tokens_are_renewed_while_actors_act(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 2\nrate = 50\n")
    run = own_runs.start("rides.py", SYNTHETIC_LIFETIME="2")
    until(lambda: own_service.sink()["tokens"] >= 6)
    run.kill(15)
    assert run.exit_code() == 0
    assert len(own_service.sink()["actors"]) == 2


def test_actors_act_again_after_a_restart_of_the_service(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 4\nrate = 50\nhealth = { window = '5s', fresh = '30s', minimum = 2 }\n")
    run = own_runs.start("rides.py")
    run.wait_for("ride is healthy")
    own_service.end()
    run.wait_for("ride is failing at")
    own_service.start()
    before = run.log().count("ride is healthy")
    until(lambda: run.log().count("ride is healthy") > before)
    assert len(own_service.sink()["actors"]) == 4


def test_a_worker_that_locust_itself_has_started_gets_no_actor(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 6\nrate = 50\n")
    master, _ = own_runs.distributed("plain.py", 1)
    own_service.wait_for(20)
    own_runs.locust("plain.py", "--worker", "--master-port", own_runs.port)
    master.wait_for("2 workers connected")
    own_service.wait_for(100)
    assert own_service.sink()["unmarked"] == 0


def test_a_worker_of_another_target_gets_no_actor(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 6\nrate = 50\n[drive.other]\nhost = 'http://localhost:1'\npreflight = false\n")
    master, _ = own_runs.distributed("plain.py", 1)
    own_service.wait_for(20)
    other = own_runs.start("plain.py", "--worker", "--master-port", own_runs.port, target="other")
    master.wait_for("it gets no actors")
    assert other.exit_code() == 2
    assert "no actor acts here: the master drives" in other.log()
    assert own_service.sink()["runs"] == ["staging"]


def test_what_a_file_calls_when_it_is_imported_is_not_sent(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 2\nrate = 50\n")
    run = own_runs.start("awkward.py")
    run.wait_for("at import: nobody has declared whether this call is simulated")
    own_service.wait_for(20)
    assert own_service.sink()["unmarked"] == 0


def test_actors_whose_end_fails_end_all_the_same(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 4\ndial = 'rides.dial'\n")
    own_runs.turn(4)
    run = own_runs.start("awkward.py")
    own_service.wait_for(20)
    own_runs.turn(0)
    own_service.last_after(time.time())
    own_runs.stop()
    run.exit_code()


def test_a_run_with_a_dial_ends_when_it_is_asked_to(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 4\ndial = 'rides.dial'\n")
    own_runs.turn(4)
    master, workers = own_runs.distributed("rides.py", 1)
    master.wait_for("ride is healthy")
    master.kill(15)
    assert [master.exit_code(), workers[0].exit_code()] == [0, 0]
    assert "it was asked to (SIGTERM)" in master.log()


def test_a_dial_that_says_stop_ends_a_master_that_still_waits_for_workers(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 4\ndial = 'rides.dial'\n")
    own_runs.stop()
    master, _ = own_runs.distributed("rides.py", 0)
    assert master.exit_code() == 1  # its journeys have not begun
    assert "the dial says stop" in master.log()


@pytest.mark.parametrize("file", ["missing.py", "broken.py", "nobody.py"])
def test_what_cannot_begin_is_wrong_use(file: str, own_service: Service, own_runs: Runs) -> None:
    """The exit code 1 is for a journey that is not healthy."""
    (own_runs.folder / "broken.py").write_text("import no_such_module")
    (own_runs.folder / "nobody.py").write_text("import locust")
    own_runs.configure("users = 2\n")
    assert own_runs.start(str(own_runs.folder / file)).exit_code() == 2


def test_a_service_that_does_not_answer_is_named_with_what_to_do(own_service: Service, own_runs: Runs) -> None:
    own_service.end()
    own_runs.configure("users = 2\n")
    run = own_runs.start("plain.py")
    assert run.exit_code() == 3
    assert "no answer" in run.log()
    assert "Start the service, or correct the host" in run.log()
    assert "preflight = false" not in run.log()


def test_the_ceiling_holds_for_options_too(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 3\nrate = 50\n")
    run = own_runs.start("rides.py", "-u", "20")
    own_service.wait_for(150)
    assert len(own_service.sink()["actors"]) == 3
    assert "users = 3 is the ceiling" in run.log()


def test_a_run_whose_workers_are_all_lost_ends_and_is_not_healthy(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure("users = 4\nrate = 50\n")
    master, (worker,) = own_runs.distributed("rides.py", 1)
    master.wait_for("ride is healthy")
    worker.kill()
    assert master.exit_code() == 1
    assert "all workers are lost" in master.log()


def test_users_whose_client_carries_no_marker_do_not_act(own_service: Service, own_runs: Runs) -> None:
    own_runs.configure(QUICK)
    run = own_runs.start("uncovered.py")
    assert run.exit_code() == 2
    assert "what Database sends carries no marker" in run.log()


def test_a_dial_at_a_url_is_followed(own_service: Service, own_runs: Runs) -> None:
    own_service.behave(dial={"users": 3, "until": time.time() + 600})
    own_runs.configure(f"users = 5\ndial = '{own_service.url}/dial'\n")
    run = own_runs.start("rides.py")
    own_service.wait_for(50)
    assert len(own_service.sink()["actors"]) == 3
    own_service.behave(dial={"stop": True})
    assert run.exit_code() == 0
