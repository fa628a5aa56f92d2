"""The draws: laws of chance, sums that are exact, and numbers that depend on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.tables import Floats, Ints
from training.forecast.belief.hazards import cumulative, incidence_at
from training.forecast.belief.purchases import chances, rates
from training.forecast.data.random import key_of, keys_of, normals, uniforms
from training.forecast.data.rounding import QUANTUM, exact
from training.forecast.simulate.deal_kernels import (
    NewDealInputs,
    OpenDealInputs,
    new_deal_draws,
    open_deal_draws,
    open_deal_means,
    poisson,
)
from training.forecast.simulate.purchase_kernels import (
    NewBuyerInputs,
    RepeatBuyerInputs,
    new_buyer_draws,
    repeat_buyer_draws,
)
from training.forecast.simulate.renewal_kernels import (
    NewCustomerInputs,
    RenewalInputs,
    new_customer_draws,
    renewal_draws,
)
from training.forecast.simulate.shared_effects import strengths

CELLS, DRAWS = 3, 4_000


def pipeline(n: int = 40, seed: int = 0) -> OpenDealInputs:
    """Deals with a chance of a tenth or so in each cell; two dimensions of 3 and 2 values."""
    rng = np.random.default_rng(seed)
    chance = np.cumsum(rng.uniform(0.02, 0.25, (n, CELLS)), axis=1)
    group = np.stack([rng.integers(0, 3, n), 3 + rng.integers(0, 2, n)], axis=1)
    return OpenDealInputs(
        keys_of([f"D{i}" for i in range(n)]),
        cumulative(chance),
        rng.lognormal(8, 1, n),
        np.array([0.8, 1.0, 1.0, 1.1]),
        np.array([0, 2, 4]),
        rng.integers(0, 2, (n, CELLS)).astype(np.int32),
        group.astype(np.int32),
        5,
    )


ONE = np.ones((CELLS, DRAWS))
"""No factor on anything."""


def waves(sigma: float) -> Floats:
    """(C, draws) a pace that all cells of a draw share."""
    return np.tile(strengths(sigma, normals(key_of("z"), DRAWS)), (CELLS, 1))


def taken(deals: OpenDealInputs, rows: Ints) -> OpenDealInputs:
    """The deals at ``rows``."""
    names = ("keys", "hazard", "amount", "pool", "group")
    return deals._replace(**{name: getattr(deals, name)[rows] for name in names})


def test_uniform_numbers_are_uniform_and_named() -> None:
    found = uniforms(keys_of(["a", "b"]), 20_000)
    assert np.all(np.abs(found.mean(axis=1) - 0.5) < 0.01)
    assert np.all(np.abs(found.var(axis=1) - 1 / 12) < 0.002)
    centred = found - 0.5
    assert abs((centred[0] * centred[1]).mean() * 12) < 0.03
    assert abs((centred[0, 1:] * centred[0, :-1]).mean() * 12) < 0.03
    np.testing.assert_array_equal(found[1], uniforms(keys_of(["b"]), 20_000)[0])
    np.testing.assert_array_equal(found[:, :7], uniforms(keys_of(["a", "b"]), 7))
    assert key_of(1, "23") != key_of(12, "3")


def test_the_mean_is_the_sum_of_chances_times_amounts() -> None:
    deals = pipeline()
    whole, _ = open_deal_draws(deals, ONE, ONE)
    chance = np.diff(-np.expm1(-deals.hazard), axis=1, prepend=0.0)
    factor = np.array([0.9, 1.05])[deals.pool]
    expected = (chance * factor * deals.amount[:, None]).sum(axis=0)
    spread = np.sqrt((chance * (factor * deals.amount[:, None]) ** 2).sum(axis=0) / DRAWS)
    assert np.all(np.abs(whole.mean(axis=1) - expected) < 4 * spread)


def test_sums_over_groups_are_exact() -> None:
    whole, groups = open_deal_draws(pipeline(), waves(0.3), waves(0.1))
    np.testing.assert_array_equal(groups[:3].sum(axis=0), whole)
    np.testing.assert_array_equal(groups[3:].sum(axis=0), whole)
    assert np.all(whole / QUANTUM == np.round(whole / QUANTUM))


def test_the_order_of_the_deals_and_later_ones_change_nothing() -> None:
    deals, pace = pipeline(), waves(0.2)
    whole, groups = open_deal_draws(deals, pace, ONE)
    order = np.random.default_rng(3).permutation(len(deals.keys))
    again, by_group = open_deal_draws(taken(deals, order), pace, ONE)
    np.testing.assert_array_equal(whole, again)
    np.testing.assert_array_equal(groups, by_group)
    one = open_deal_draws(taken(deals, np.arange(1)), pace, ONE)[0]
    rest = open_deal_draws(taken(deals, np.arange(1, len(deals.keys))), pace, ONE)[0]
    np.testing.assert_array_equal(one + rest, whole)


def test_a_faster_pace_brings_every_deal_earlier() -> None:
    deals = pipeline()._replace(factors=np.ones(4))
    calm = np.cumsum(open_deal_draws(deals, ONE, ONE)[0], axis=0)
    strong = np.cumsum(open_deal_draws(deals, 1.5 * ONE, ONE)[0], axis=0)
    assert np.all(strong >= calm)
    assert strong.mean() > calm.mean()


def test_influence_is_the_covariance_with_the_whole() -> None:
    deals, pace = pipeline(6), waves(0.3)
    whole, _ = open_deal_draws(deals, pace, ONE)
    total = whole[:2].sum(axis=0)
    centred = np.zeros((1, CELLS, DRAWS))
    centred[0, :2] = total - total.mean()
    found = open_deal_means(deals, pace, ONE, np.ones(DRAWS), centred)
    for i in range(6):
        own = open_deal_draws(taken(deals, np.array([i])), pace, ONE)[0]
        np.testing.assert_allclose(found.mean[i], own.mean(axis=1))
        np.testing.assert_allclose(found.chance[i], (own > 0).mean(axis=1))
        held = own[:2].sum(axis=0)
        covariance = np.mean((held - held.mean()) * (total - total.mean()))
        np.testing.assert_allclose(found.covariance[i, 0], covariance)
    np.testing.assert_allclose(found.covariance.sum(), total.var())


def test_means_of_chosen_draws_are_those_of_the_draws_alone() -> None:
    deals, pace = pipeline(6), waves(0.3)
    chosen = np.random.default_rng(4).integers(0, DRAWS, DRAWS)
    times = np.bincount(chosen, minlength=DRAWS).astype(float)
    found = open_deal_means(deals, pace, ONE, times, np.zeros((0, CELLS, DRAWS)))
    for i in range(6):
        own = open_deal_draws(taken(deals, np.array([i])), pace, ONE)[0][:, chosen]
        np.testing.assert_allclose(found.mean[i], own.mean(axis=1))


@pytest.mark.parametrize("mean", [0.3, 4.0, 16.0, 75.5])
def test_poisson_numbers(mean: float) -> None:
    found = np.array([poisson(key_of("p"), d, mean) for d in range(6_000)])
    assert abs(found.mean() - mean) < 4 * np.sqrt(mean / 6_000)
    assert abs(found.var() / mean - 1) < 0.12
    more = np.array([poisson(key_of("p"), d, mean * 1.2) for d in range(500)])
    assert np.all(more[:500] >= found[:500] - (mean > 16))


def test_unborn_deals_have_their_mean_and_likeness() -> None:
    amount, group = np.array([100.0, 300.0]), np.array([[0], [1]], np.int32)
    chosen = np.array([[0.25, 1.0], [1.0, 1.0]])
    mean = np.full((2, DRAWS), 6.0)
    unborn = NewDealInputs(keys_of(["x", "y"]), mean, chosen, amount, group, 2)
    whole, groups = new_deal_draws(unborn, np.ones((2, DRAWS)))
    np.testing.assert_array_equal(groups.sum(axis=0), whole)
    assert abs(groups[0, 0].mean() / (6 * 0.25 * 100) - 1) < 0.08
    assert abs(groups[1, 0].mean() / (6 * 0.75 * 300) - 1) < 0.05
    assert np.all(groups[1, 1] == 0.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_incidence_between_the_bins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = tuple(np.cumsum(rng.integers(1, 40, 4)).astype(float).tolist())
    gained = rng.dirichlet(np.ones(9), 5)[:, :8].reshape(5, 4, 2)
    curve = np.cumsum(gained, axis=1)
    at_edges = incidence_at(curve, edges, np.array(edges))
    np.testing.assert_allclose(at_edges, curve[:, :, 0], atol=1e-9)
    days = np.linspace(0, edges[-1] * 3, 50)
    found = incidence_at(curve, edges, days)
    assert np.all(np.diff(found, axis=1) >= -1e-12)
    assert np.all((found >= 0) & (found < 1))
    assert np.all(found[:, 0] == 0)


def test_amounts_are_rounded_far_below_a_cent() -> None:
    amounts = np.random.default_rng(1).uniform(0, 1e7, 1_000).round(2)
    assert np.abs(exact(amounts) - amounts).max() < 1e-5
    rounded = exact(amounts)
    assert rounded.sum() == rounded[::-1].sum() == sum(rounded.tolist())


def test_charges_stop_when_the_customer_leaves() -> None:
    hazard = np.array([0.1, 0.2, 0.3])
    present = RenewalInputs(
        keys_of(["a"]),
        np.array([0, 1, 2], np.int32),
        hazard,
        np.array([0, 3]),
        np.array([100.0]),
        np.ones(1),
        np.zeros((1, 0), np.int32),
        0,
    )
    whole, _ = renewal_draws(present, np.ones(DRAWS), ONE)
    assert np.all(np.diff(whole, axis=0) <= 0)
    np.testing.assert_allclose(whole.mean(axis=1) / 100, np.exp(-hazard), atol=0.03)
    longer, _ = renewal_draws(present, np.full(DRAWS, 0.5), ONE)
    assert np.all(longer >= whole)


def test_newcomers_are_charged_at_their_steps() -> None:
    new = NewCustomerInputs(
        keys_of(["m1", "m2", "m3"]),
        np.stack([np.full(DRAWS, 5.0), np.zeros(DRAWS), np.zeros(DRAWS)]),
        np.array([0.0, 30.0, 60.0, 90.0]),
        np.array([30.0]),
        np.array([10.0]),
        np.zeros((1, 1), np.int32),
        np.array([0, 1]),
        np.array([0.0]),
        np.array([0.0]),
        1,
    )
    whole, groups = new_customer_draws(new, np.ones(DRAWS), ONE)
    np.testing.assert_array_equal(groups[0], whole)
    np.testing.assert_array_equal(whole[0], whole[1])  # nobody leaves: the same charge each month
    assert abs(whole[0].mean() / 50 - 1) < 0.05


def test_purchases_follow_the_rates() -> None:
    n = 20
    shoppers = RepeatBuyerInputs(
        keys_of([f"A{i}" for i in range(n)]),
        np.full(n, 0.8),
        rates(np.full(n, 2.0), np.full(n, 40.0)),
        np.zeros((n, 24)),
        np.ones(n),
        np.full(n, 10.0),
        np.arange(n + 1),
        np.array([1.0]),
        np.zeros((n, 1), np.int32),
        1,
    )
    bounds = np.array([0.0, 15.0, 45.0])
    whole, groups = repeat_buyer_draws(shoppers, np.ones((2, DRAWS)), np.ones((2, DRAWS)), bounds)
    np.testing.assert_array_equal(groups[0], whole)
    expected = n * 0.8 * 2.0 / 40.0 * np.diff(bounds) * 10.0
    np.testing.assert_allclose(whole.mean(axis=1), expected, rtol=0.03)
    pace = np.repeat([[1.0], [3.0]], DRAWS, axis=1)
    busy, _ = repeat_buyer_draws(shoppers, pace, np.ones((2, DRAWS)), bounds)
    np.testing.assert_allclose(busy.mean(axis=1), expected * [1.0, 3.0], rtol=0.03)


def test_first_purchases_are_followed_by_others() -> None:
    new = NewBuyerInputs(
        keys_of(["m1", "m2"]),
        np.stack([np.full(DRAWS, 3.0), np.zeros(DRAWS)]),
        np.array([0.0, 30.0, 60.0]),
        rates(np.array([4.0]), np.array([40.0]))[0],
        chances(np.array([1.0]), np.array([1e6]))[0],
        np.array([5.0]),
        np.array([7.0]),
        np.zeros((1, 0), np.int32),
        0,
    )
    whole, _ = new_buyer_draws(new, np.ones((2, DRAWS)), np.ones((2, DRAWS)))
    # 3 come and pay 5, then 7 at a rate of 0.1 a day: for 15 days on average, then for 30
    np.testing.assert_allclose(whole.mean(axis=1), [3 * (5 + 7 * 1.5), 3 * 7 * 3], rtol=0.04)
