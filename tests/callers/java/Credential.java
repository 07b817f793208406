import com.azure.core.credential.AccessToken;
import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.identity.AzureCliCredentialBuilder;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;

/**
 * Asks for an access token for Resource Manager, as programs with azure-identity do that know nothing of where they
 * run: {@code managed|default|cli}. Prints a JSON object.
 */
final class Credential {
    private static final String SCOPE = "https://management.azure.com/.default";

    private static TokenCredential named(String kind) {
        return switch (kind) {
            case "managed" -> new ManagedIdentityCredentialBuilder().build();
            case "default" -> new DefaultAzureCredentialBuilder().build();
            default -> new AzureCliCredentialBuilder().build();
        };
    }

    /** All that is said of it: "see inner exception", it begins. */
    private static String why(Throwable exception) {
        Throwable cause = exception.getCause();
        return exception.getMessage() + (cause == null ? "" : " " + why(cause));
    }

    public static void main(String[] arguments) {
        String answer;
        try {
            AccessToken token = named(arguments[0]).getToken(new TokenRequestContext().addScopes(SCOPE)).block();
            long expiresOn = token.getExpiresAt().toEpochSecond();
            answer = "{\"token\": " + Ask.quoted(token.getToken()) + ", \"expires_on\": " + expiresOn + "}";
        } catch (RuntimeException exception) {
            answer = "{\"error\": " + Ask.quoted(why(exception)) + "}";
        }
        System.out.println(answer);
        System.exit(0);
    }
}
