"""Fields that this company added to parties and opportunities."""

from trytond.model import fields
from trytond.pool import PoolMeta


class Party(metaclass=PoolMeta):
    """A party has a line of business and a size."""

    __name__ = "party.party"
    industry = fields.Selection(
        [
            (None, ""),
            ("software", "Software"),
            ("manufacturing", "Manufacturing"),
            ("health", "Health"),
            ("retail", "Retail"),
        ],
        "Line of business",
    )
    staff = fields.Integer("People employed")


class SaleOpportunity(metaclass=PoolMeta):
    """An opportunity has a product and a source."""

    __name__ = "sale.opportunity"
    product_interest = fields.Selection(
        [(None, ""), ("starter", "Starter"), ("team", "Team"), ("enterprise", "Enterprise")],
        "Product of interest",
    )
    source = fields.Selection(
        [(None, ""), ("referral", "Referral"), ("web", "Web"), ("fair", "Fair"), ("cold", "Cold")],
        "Source",
    )
