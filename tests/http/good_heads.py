"""Heads as clients and proxies send them."""


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


GOOD_HEADS = {
    "curl": head("GET / HTTP/1.1", "Host: localhost:8000", "User-Agent: curl/8.5.0", "Accept: */*"),
    "chromium": head(
        "GET /a/b?c=d&e=%20f HTTP/1.1",
        "Host: example.org",
        "Connection: keep-alive",
        'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"',
        "sec-ch-ua-mobile: ?0",
        'sec-ch-ua-platform: "Linux"',
        "Upgrade-Insecure-Requests: 1",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Sec-Fetch-Site: none",
        "Sec-Fetch-Mode: navigate",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: de-DE,de;q=0.9",
        'Cookie: a=b; c="d e"; f=',
        'If-None-Match: W/"x", "y"',
    ),
    "form": head(
        "POST /form HTTP/1.1",
        "Host: example.org",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 27",
        "Origin: https://example.org",
    ),
    "chunked upload": head(
        "PUT /files/a%20b.bin HTTP/1.1",
        "Host: example.org",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
        "Authorization: Bearer a.b-c_d~e+f/g==",
    ),
    "ab": head(
        "GET / HTTP/1.0", "Host: localhost", "User-Agent: ApacheBench/2.3", "Accept: */*", "Connection: Keep-Alive"
    ),
    "old": head("GET /old HTTP/1.0"),
    "head": head("HEAD /x.css?v=1 HTTP/1.1", "host:example.org", "accept:text/css"),
    "options": head("OPTIONS * HTTP/1.1", "Host: example.org"),
    "preflight": head(
        "OPTIONS /api HTTP/1.1",
        "Host: example.org",
        "Origin: https://other.example",
        "Access-Control-Request-Method: PATCH",
        "Access-Control-Request-Headers: content-type,x-csrf-token",
    ),
    "through a proxy": head(
        "DELETE /api/1 HTTP/1.1",
        "Host: example.org",
        "X-Forwarded-For: 192.0.2.1, 198.51.100.2",
        "X-Forwarded-Proto: https",
        'Forwarded: for="[2001:db8::1]:4711";proto=https;by=203.0.113.43',
        "Via: 1.1 proxy",
        "X-Request-ID: 0123-abc",
        "Connection: close",
    ),
    "absolute": head("GET http://example.org/a HTTP/1.1", "Host: example.org", "Proxy-Connection: keep-alive"),
    "websocket": head(
        "GET /chat HTTP/1.1",
        "Host: [::1]:8000",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ),
    "webdav": head("PROPFIND /dav/ HTTP/1.1", "Host: example.org", "Depth: 1", "Content-Length: 0"),
    "latin-1 value": head(
        "GET / HTTP/1.1", "Host: example.org", "X-Name: J\xfcrgen", "X-Empty:", "X-Spaces:   a  b   "
    ),
    "raw characters in the query": head("GET /find?q=a|b^{c}[d]'e\"f HTTP/1.1", "Host: example.org"),
}
