"""Makes the calls that come in as lines of JSON, by LiveKit's SDK for Python, and says what came of each."""

import asyncio
import json
import os
import sys

from google.protobuf.json_format import MessageToDict, ParseDict
from livekit import api
from livekit.api.twirp_client import TwirpError

REQUESTS = {
    "start_egress": api.StartEgressRequest,
    "start_room_composite_egress": api.RoomCompositeEgressRequest,
    "start_web_egress": api.WebEgressRequest,
    "start_participant_egress": api.ParticipantEgressRequest,
    "start_track_composite_egress": api.TrackCompositeEgressRequest,
    "start_track_egress": api.TrackEgressRequest,
    "update_layout": api.UpdateLayoutRequest,
    "update_stream": api.UpdateStreamRequest,
    "list_egress": api.ListEgressRequest,
    "stop_egress": api.StopEgressRequest,
}


async def main():
    client = api.LiveKitAPI(os.environ["URL"], os.environ["KEY"], os.environ["SECRET"])
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        request = ParseDict(asked["request"], REQUESTS[asked["name"]]())
        try:
            answer = await getattr(client.egress, asked["name"])(request)
            said = {"answer": MessageToDict(answer, preserving_proto_field_name=True)}
        except TwirpError as error:
            said = {"error": {"code": error.code, "msg": error.message, "status": error.status}}
        print(json.dumps(said), flush=True)
    await client.aclose()


asyncio.run(main())
