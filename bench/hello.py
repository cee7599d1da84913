"""What boot times are compared with: the smallest FastAPI application, under uvicorn."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer."""
    return {"status": "active"}
