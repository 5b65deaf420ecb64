"""Publishes an activity, and says where it lies once all replicas have it."""

import json
import os
import uuid

from kafka import KafkaProducer

producer = KafkaProducer(
    bootstrap_servers=os.environ.get("KAFKA_BROKERS", "localhost:9092").split(","),
    key_serializer=str.encode,
    value_serializer=lambda activity: json.dumps(activity).encode(),
    acks="all",
    enable_idempotence=True,
)
activity = {
    "eventId": str(uuid.uuid4()),
    "orgId": 50711,
    "userId": 381400002,
    "targetGroupId": 232,
    "targetRuleId": 366,
    "value": "120.25",  # a decimal in a string is exact in every language
    "activityTime": "2022-11-26T10:00:00.000Z",
}
sent = producer.send("leaderboard.activities", key="50711:381400002", value=activity)
place = sent.get(timeout=30)
print(f"published: partition {place.partition}, offset {place.offset}")
producer.close()
