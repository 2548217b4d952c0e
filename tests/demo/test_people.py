"""Simulated people are the same for the same seed, and their hidden utility says what they will do."""

import numpy as np

from contracts.rewards import VERDICTS, reward
from contracts.times import DAY_US, HOUR_US
from projections.folds.catalog import Tip
from services.catalog.builtin import builtin_tips
from services.demo.days import day_of, reports, token_expires_us, wishes
from services.demo.people import people
from services.demo.reactions import Heart, Shelf

DAY = 20_400


def shelf() -> Shelf:
    return Shelf.of(
        [Tip(tip.tip_id, tip.title, tip.category, tip.effort, tip.minutes, True, 1) for tip in builtin_tips()]
    )


def test_more_people_change_nobody() -> None:
    assert people(7, 10) == people(7, 30)[:10]
    assert people(7, 10) != people(8, 10)


def test_a_day_is_the_same_however_often_it_is_lived() -> None:
    for person in people(7, 5):
        assert day_of(person, DAY) == day_of(person, DAY)
        assert reports(person, DAY) == reports(person, DAY)
        assert wishes(person, DAY) == wishes(person, DAY)


def test_people_ask_for_tips_while_they_are_awake() -> None:
    for person in people(7, 20):
        for at_us in wishes(person, DAY):
            assert person.wakes <= (at_us - DAY * DAY_US) / HOUR_US <= person.sleeps


def test_the_true_state_moves_through_the_day() -> None:
    day = day_of(people(7, 1)[0], DAY)
    morning, night = (day.truth(DAY * DAY_US + int(hour * HOUR_US)) for hour in (8.0, 23.5))
    assert morning.steps < night.steps <= day.steps
    assert morning.screen_minutes < night.screen_minutes
    assert morning.meetings_left >= night.meetings_left == 0


def test_a_source_is_silent_from_its_token_s_end_until_it_is_renewed() -> None:
    silent = 0
    for person in people(7, 20):
        for source in person.sources:
            for hour in range(0, 24 * 30, 6):
                at_us = DAY * DAY_US + hour * HOUR_US
                expires_us = token_expires_us(person, source, at_us)
                silent += expires_us is None
                assert expires_us is None or at_us < expires_us <= at_us + source.period_us
        for number in range(DAY, DAY + 30):
            assert all(report.at_us < report.token_expires_us for report in reports(person, number))
    assert silent > 50


def test_the_expected_reward_is_the_mean_of_what_people_do() -> None:
    tips = shelf()
    for person in people(3, 3):
        heart, truth = Heart(person, tips), day_of(person, DAY).truth(DAY * DAY_US + 15 * HOUR_US)
        expected = heart.expected_rewards(truth)
        for place in (int(expected.argmax()), int(expected.argmin())):
            utility, chance = float(heart.utilities(truth)[place]), person.generator(99)
            rewards = []
            for _ in range(4000):
                verdict = outcome = None
                for reaction in heart.reactions(utility, chance):
                    if reaction.action in VERDICTS:
                        verdict = reaction.action
                    else:
                        outcome = reaction.action
                rewards.append(reward(verdict, outcome))
            assert abs(np.mean(rewards) - expected[place]) < 4 * np.std(rewards) / np.sqrt(len(rewards))
