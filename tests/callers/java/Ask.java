import com.azure.core.credential.AccessToken;
import com.azure.core.credential.TokenRequestContext;
import com.azure.identity.AzureCliCredentialBuilder;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/**
 * Asks for an access token through the Azure CLI, as programs with azure-identity do: {@code COUNT TENANT}, TENANT being
 * {@code -} for none. Prints a JSON object for each of COUNT that ask at once, each with a credential of its own.
 */
final class Ask {
    private static final String SCOPE = "https://vault.azure.net/.default";

    private static String ask(String tenant) {
        AzureCliCredentialBuilder builder = new AzureCliCredentialBuilder();
        if (!tenant.equals("-")) {
            builder.tenantId(tenant);
        }
        try {
            AccessToken token = builder.build().getToken(new TokenRequestContext().addScopes(SCOPE)).block();
            return "{\"token\": " + quoted(token.getToken()) + ", \"expires_on\": " + token.getExpiresAt().toEpochSecond() + "}";
        } catch (RuntimeException exception) {
            return "{\"error\": " + quoted(String.valueOf(exception.getMessage())) + "}";
        }
    }

    static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char character : text.toCharArray()) {
            json.append(character < ' ' || character == '"' || character == '\\' || character > '~'
                ? String.format("\\u%04x", (int) character) : String.valueOf(character));
        }
        return json.append('"').toString();
    }

    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[0]);
        ExecutorService pool = Executors.newFixedThreadPool(count);
        Callable<String> asking = () -> ask(arguments[1]);
        List<Future<String>> answers = pool.invokeAll(Stream.generate(() -> asking).limit(count).toList());
        for (Future<String> answer : answers) {
            System.out.println(answer.get());
        }
        System.exit(0);
    }
}
