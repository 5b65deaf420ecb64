import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Publishes an activity, and says where it lies once all replicas have it. */
public class Publish {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv().getOrDefault("KAFKA_BROKERS", "localhost:9092"));
        settings.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        settings.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        settings.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");

        String activity = """
            {"eventId": "%s", "orgId": 50711, "userId": 381400001, "targetGroupId": 232, "targetRuleId": 366,
             "value": 120.5, "activityTime": "2022-11-26T10:00:00.000Z"}""".formatted(UUID.randomUUID());
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            var place = producer.send(new ProducerRecord<>("leaderboard.activities", "50711:381400001", activity)).get();
            System.out.printf("published: partition %d, offset %d%n", place.partition(), place.offset());
        }
    }
}
