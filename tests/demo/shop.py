"""The demo upstream's shop: what the examples in conf/examples/ compose."""

import asyncio

import data

PRODUCTS = [
    ("lamp-1", "Paper lantern", "29.90", 14), ("rope-2", "Fishing line, 40 m", "4.50", 210),
    ("map-3", "Map of the hedges", "12.00", 0), ("clock-4", "Harbour clock", "149.00", 3),
    ("seed-5", "Box of seeds", "7.25", 61), ("radio-6", "Attic radio", "64.99", 8),
]
LINES = [[("lamp-1", 2), ("rope-2", 1)], [("clock-4", 1)],
         [("seed-5", 12), ("map-3", 1), ("radio-6", 1), ("seed-5", 1)], []]
MIRROR_DELAYS = [0.120, 0.015, 0.060]
SHARD_DELAYS = [0.005, 0.020, 0.010, 1.500]


def product(sku):
    """A product with everything a warehouse knows, or None."""
    for number, (known, name, price, stock) in enumerate(PRODUCTS, 1):
        if known == sku:
            return {"sku": sku, "name": name, "price": {"amount": float(price), "currency": "EUR"},
                    "stock": {"count": stock, "shelf": f"{number * 7 % 20}-{number}"},
                    "internal": {"supplier": data.TRADES[number % 5], "margin": number / 100}}
    return None


def order(number):
    """Order 1 to 40, or None."""
    if not 1 <= number <= 40:
        return None
    lines = LINES[(number - 1) % len(LINES)]
    return {"id": number, "customer": {"userId": (number - 1) % 10 + 1},
            "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines]}


def ratings():
    """What buyers think; not every product has been rated."""
    return [{"sku": sku, "stars": 3 + number % 3, "votes": number * 17}
            for number, (sku, *_) in enumerate(PRODUCTS, 1) if number % 3]


def or_404(value, as_json):
    """The value, or the service's 404."""
    return as_json({"error": "not found"}, 404) if value is None else as_json(value)


def routes(as_json, number):
    """(pattern, methods, handler) of every path, for the table in routes.py."""
    async def price(request, query, mirror, sku):
        await asyncio.sleep(MIRROR_DELAYS[int(mirror) - 1])
        found = product(sku)
        answer = found and {"sku": sku, "mirror": int(mirror), **found["price"]}
        return or_404(answer, as_json)

    async def search(request, query, shard):
        await asyncio.sleep(SHARD_DELAYS[int(shard) - 1])
        word = query.get("q", "").lower()
        return as_json([{"id": post["id"], "title": post["title"]} for post in data.POSTS
                        if post["id"] % 4 == int(shard) - 1 and word in post["title"]][:5])

    def cart(request, query, user):
        return as_json({"user": int(user), "count": int(user) % 4, "total": int(user) * 3.5})

    def recommended(request, query, user):
        return as_json([PRODUCTS[(int(user) + step) % len(PRODUCTS)][0] for step in (0, 2)])

    read = ("GET", "HEAD")
    return [
        (r"/shop/products/([a-z0-9-]+)", read,
         lambda request, query, sku: or_404(product(sku), as_json)),
        (f"/shop/orders/{number}", read,
         lambda request, query, n: or_404(order(int(n)), as_json)),
        ("/shop/ratings", read, lambda request, query: as_json(ratings())),
        (f"/shop/carts/{number}", read, cart),
        (f"/shop/recommended/{number}", read, recommended),
        (r"/mirrors/([1-3])/prices/([a-z0-9-]+)", read, price),
        (r"/shards/([1-4])/search", read, search),
    ]
