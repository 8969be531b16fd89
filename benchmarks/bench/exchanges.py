"""What is sent and what must come back, where it is more than a greeting."""

# What Chrome sends for a page of a site it has been to: twenty fields with Host.
BROWSER = (
    ("Connection", "keep-alive"),
    ("Cache-Control", "max-age=0"),
    ("sec-ch-ua", '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("DNT", "1"),
    ("Upgrade-Insecure-Requests", "1"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-User", "?1"),
    ("Sec-Fetch-Dest", "document"),
    ("Referer", "http://127.0.0.1/shop/baskets/4711?sort=price&order=ascending"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de-CH;q=0.8,de;q=0.7"),
    ("Cookie", "sessionid=0f9d5cbb1c4c4f6d8f0a4c6e; csrftoken=Zk3nQ7w1bX5yT2mV; theme=dark; consent=necessary"),
    ("If-Modified-Since", "Thu, 20 Nov 2025 10:00:00 GMT"),
    ("Priority", "u=0, i"),
)  # fmt: skip
# What the five modules, and the five middlewares, look at.
FROM_A_SHOP = (("Origin", "https://shop.example"), ("X-Api-Key", "k-1"))
FASTAPI_ANSWER = b'{"id":7,"name":"Penstock","price":9.5,"tags":["water","gate"]}'
STARLETTE_ANSWER = b'{"id":7,"name":"Penstock","tags":["water","gate"]}'
TEN_KILOBYTES = b"abcdefghij" * 1024
TEN_MEGABYTES = b"abcdefghij" * 1_048_576
