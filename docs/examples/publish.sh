#!/bin/sh
# Publishes an activity by kcat, which waits until all replicas have it. Key and value
# are divided by the first |.
set -eu
echo '50711:381400004|{"eventId":"'"$(cat /proc/sys/kernel/random/uuid)"'","orgId":50711,"userId":381400004,"targetGroupId":232,"targetRuleId":366,"value":120,"activityTime":"2022-11-26T10:00:00.000Z"}' |
	kcat -P -b "${KAFKA_BROKERS:-localhost:9092}" -t leaderboard.activities -K '|' \
		-X acks=all -X enable.idempotence=true -X topic.partitioner=murmur2_random
echo published
