"""The whole CRM put together: who belongs to whom, and every table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.demo import accounts, calls, deals, leads, links
from features.demo.accounts import AccountFacts
from features.demo.billing import invoice_frame, subscription_frame
from features.demo.deals import DealFacts
from features.demo.draw import DemoPeriod, Rng, instants, keys, texts, words
from features.demo.leads import LeadFacts
from features.demo.people import Owners, draw_owners, owner_frames
from features.demo.world import Moves, World, activity_frame, change_frame
from features.tables import NAT, Instants, Ints

Frames = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Crm:
    """Canonical tables, the worlds "lead", "deal" and "account", and the names of what is planted.

    duplicate_leads, duplicate_accounts  copy -> original; whitespace  accounts without the add-on
    """

    frames: Frames
    worlds: dict[str, World]
    owners: Owners
    duplicate_leads: dict[str, str]
    duplicate_accounts: dict[str, str]
    whitespace: list[str]


@dataclass(frozen=True)
class _Leads:
    facts: LeadFacts
    world: World
    closed_at: Instants


@dataclass(frozen=True)
class _Deals:
    facts: DealFacts
    world: World
    closed_at: Instants


@dataclass(frozen=True)
class _Accounts:
    """Customers come first in ``ids`` and ``created_at``, then the prospects.

    became  (deals,) the customer that a won deal turned into, -1 for none
    """

    customers: AccountFacts
    prospects: AccountFacts
    world: World
    closed_at: Instants
    ids: list[str]
    created_at: Instants
    became: Ints


def draw_crm(rng: Rng, calendar: DemoPeriod, size: tuple[int, int, int]) -> Crm:
    """Draw so many leads, deals and customers, let them live, and write down what a CRM keeps."""
    owners = draw_owners(rng, calendar)
    lead = _draw_leads(rng, calendar, owners, size[0])
    deal = _draw_deals(rng, calendar, owners, size[1])
    account = _draw_accounts(rng, calendar, owners, deal, size[2])
    worlds = {"lead": lead.world, "deal": deal.world, "account": account.world}
    frames = {"leads": leads.lead_frame(rng, lead.facts, lead.world, lead.closed_at, owners.ids)}
    frames["accounts"] = _account_table(rng, account, owners)
    frames |= _events(rng, calendar, owners, lead, deal, account)
    frames["deals"] = _link_deals(rng, frames["deals"], lead, deal, account, frames["accounts"])
    yearly = 1.3 / 3 * float(np.nansum(frames["deals"]["closed_amount"]))
    frames |= owner_frames(rng, owners, calendar, yearly)
    twice = links.duplicate_leads(rng, frames["leads"], calendar)
    frames["leads"] = pd.concat([frames["leads"], twice.rows], ignore_index=True)
    frames["changes"] = links.with_first_status(frames["changes"], twice.rows)
    again = links.duplicate_accounts(rng, frames["accounts"], calendar)
    frames["accounts"] = pd.concat([frames["accounts"], again.rows], ignore_index=True)
    return Crm(frames, worlds, owners, twice.originals, again.originals, _whitespace(account))


def _draw_leads(rng: Rng, calendar: DemoPeriod, owners: Owners, n: int) -> _Leads:
    facts = leads.draw_leads(rng, calendar, owners, n)
    world = leads.live_leads(rng, facts, calendar)
    return _Leads(facts, world, world.closed_at(rng))


def _draw_deals(rng: Rng, calendar: DemoPeriod, owners: Owners, n: int) -> _Deals:
    facts = deals.draw_deals(rng, calendar, owners, n)
    world = deals.live_deals(rng, facts, calendar)
    return _Deals(facts, world, world.closed_at(rng))


def _is_new(deal: _Deals) -> Ints:
    return np.flatnonzero(deal.facts.type == deals.TYPE.code("new business"))


def _draw_accounts(
    rng: Rng, calendar: DemoPeriod, owners: Owners, deal: _Deals, n: int
) -> _Accounts:
    """Customers, some of them out of won deals, and a prospect for each other new-business deal."""
    customers = accounts.draw_accounts(rng, calendar, owners, n)
    new = _is_new(deal)
    won = new[deal.world.path.outcome[new] == 1]
    became = np.full(len(deal.closed_at), -1)
    became[won] = links.follow(deal.closed_at[won], customers.customer_at)
    lone = new[became[new] < 0]
    prospects = accounts.draw_accounts(rng, calendar, owners, len(lone))
    used = links.first_use(customers.customer_at, became, deal.facts.created_at)
    created = links.account_births(rng, np.concatenate([used, deal.facts.created_at[lone]]))
    place = np.argsort(np.argsort(created, kind="stable"), kind="stable")
    ids = np.array(keys("A", len(created)))[place].tolist()
    world = accounts.live_accounts(rng, customers, calendar, ids[:n])
    closed = world.closed_at(rng)
    return _Accounts(customers, prospects, world, closed, ids, created, became)


def _account_table(rng: Rng, account: _Accounts, owners: Owners) -> pd.DataFrame:
    n = len(account.customers)
    parts = [
        accounts.account_frame(rng, facts, account.ids[part], account.created_at[part], owners.ids)
        for facts, part in ((account.customers, slice(n)), (account.prospects, slice(n, None)))
    ]
    never = np.full(len(account.prospects), NAT)
    frame = pd.concat(parts, ignore_index=True)
    frame["customer_at"] = instants(np.concatenate([account.customers.customer_at, never]))
    churned = np.concatenate([account.world.path.outcome - 1, np.full(len(never), -1)])
    frame["outcome"] = words(churned, accounts.OUTCOMES)
    frame["closed_at"] = instants(np.concatenate([account.closed_at, never]))
    return frame.sort_values("account_id", ignore_index=True)


def _events(
    rng: Rng, calendar: DemoPeriod, owners: Owners, lead: _Leads, deal: _Deals, account: _Accounts
) -> Frames:
    """What happened to the entities, and the tables whose last values follow from it."""
    worlds = {"lead": lead.world, "deal": deal.world, "account": account.world}
    moves = {name: Moves.of(world.path) for name, world in worlds.items()}
    pushed = deals.push_days(rng, moves["deal"])
    pushes, dates = deals.close_dates(rng, deal.facts, moves["deal"], pushed)
    own = rng.spawn(1)[0]  # people's calls draw from a stream of their own
    optimism = calls.draw_optimism(own)
    edits = [
        *leads.lead_history(rng, lead.facts, moves["lead"]),
        *deals.deal_history(rng, deal.facts, moves["deal"]),
        pushes,
        calls.call_history(own, deal.facts, moves["deal"], optimism),
    ]
    batches = [
        *leads.lead_activities(rng, lead.facts, moves["lead"]),
        *deals.deal_activities(rng, moves["deal"]),
        *accounts.account_activities(rng, account.customers, moves["account"], account.world),
    ]
    facts, world, closed = account.customers, account.world, account.closed_at
    table = deals.deal_frame(rng, deal.facts, deal.world, deal.closed_at, dates, owners.ids)
    table["forecast_category"] = calls.last_calls(deal.world, deal.facts, optimism)
    return {
        "deals": table,
        "changes": change_frame(edits, worlds),
        "activities": activity_frame(rng, batches, worlds, owners.ids, calendar),
        "subscriptions": subscription_frame(facts, world, closed),
        "invoices": invoice_frame(rng, facts, world, moves["account"], closed, calendar),
    }


def _link_deals(
    rng: Rng,
    frame: pd.DataFrame,
    lead: _Leads,
    deal: _Deals,
    account: _Accounts,
    table: pd.DataFrame,
) -> pd.DataFrame:
    """The table ``deals`` with the lead and the account of each deal, and a name."""
    new, born = _is_new(deal), deal.facts.created_at
    converted = np.flatnonzero(lead.world.path.outcome == 1)
    follows = links.follow(lead.closed_at[converted], born[new])
    source = np.full(len(born), -1)
    source[new[follows[follows >= 0]]] = converted[follows >= 0]
    home = account.became.copy()
    lone = new[home[new] < 0]
    home[lone] = len(account.customers) + np.arange(len(lone))
    older = np.setdiff1d(np.arange(len(born)), new)
    home[older] = links.random_customers(
        rng, born[older], account.customers.customer_at, account.closed_at
    )
    frame.insert(1, "account_id", words(home, account.ids))
    frame.insert(2, "lead_id", words(source, lead.world.ids))
    name_of = dict(zip(table["account_id"], table["name"], strict=True))
    company = [name_of.get(key, "Unknown company") for key in frame["account_id"]]
    names = zip(company, frame["product"], strict=True)
    frame["name"] = texts([f"{who}: {what}" for who, what in names])
    return frame


def _whitespace(account: _Accounts) -> list[str]:
    """Present logistics customers who lack the add-on."""
    facts = account.customers
    lacks = (facts.industry == accounts.INDUSTRY.code("logistics")) & ~facts.add_on
    stays = account.closed_at == NAT
    return sorted(account.ids[row] for row in np.flatnonzero(lacks & stays))
