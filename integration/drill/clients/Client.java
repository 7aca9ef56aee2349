import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/**
 * A client by Java's HttpClient. It asks once a second and prints a line for each request:
 * "@ END_MS TOOK_MS STATUS BODY".
 *
 * <p>java Client http://HOST:PORT/PATH TIMEOUT_MS
 */
public final class Client {
	private Client() {}

	public static void main(String[] args) throws InterruptedException {
		Duration timeout = Duration.ofMillis(Long.parseLong(args[1]));
		HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(timeout).build();
		HttpRequest request = HttpRequest.newBuilder(URI.create(args[0])).timeout(timeout).build();
		while (true) {
			long began = System.currentTimeMillis();
			int status = 0;
			String text;
			try {
				HttpResponse<String> reply = client.send(request, HttpResponse.BodyHandlers.ofString());
				status = reply.statusCode();
				text = reply.body();
			} catch (java.io.IOException e) {
				text = e.toString();
			}
			long ended = System.currentTimeMillis();
			System.out.println("@ " + ended + " " + (ended - began) + " " + status + " " + text.trim().replace('\n', ' '));
			Thread.sleep(Math.max(0, began + 1000 - ended));
		}
	}
}
