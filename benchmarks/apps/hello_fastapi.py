"""A FastAPI application with one JSON route whose answer is a model."""

from fastapi import FastAPI
from pydantic import BaseModel


class Item(BaseModel):
    id: int
    name: str
    price: float
    tags: list[str]


application = FastAPI()


@application.get("/items/{item_id}")
async def item(item_id: int) -> Item:
    return Item(id=item_id, name="Penstock", price=9.5, tags=["water", "gate"])
