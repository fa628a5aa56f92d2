"""What analysts read: KPIs, pipeline health, account plans, data quality, routing, lists."""
