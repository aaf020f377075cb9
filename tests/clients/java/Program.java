import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.AdviceApi;
import org.openapitools.client.api.PoliciesApi;
import org.openapitools.client.model.FieldError;
import org.openapitools.client.model.KnowledgeNeed;
import org.openapitools.client.model.PolicySummary;
import org.openapitools.client.model.ProblemDocument;
import org.openapitools.client.model.Profile;

/** Calls a service through the client that openapi-generator generated. */
public final class Program {
  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri(arguments[0]);
    ObjectMapper json = client.getObjectMapper();
    AdviceApi advice = new AdviceApi(client);
    Profile profile = new Profile().labeledExamples(3_000_000_000L).knowledgeNeed(KnowledgeNeed.CHANGING_FACTS);
    String strategy = advice.recommend(profile, null, null).getRecommendation().getStrategy();
    List<String> versions =
        new PoliciesApi(client).listPolicies(null).getPolicies().stream().map(PolicySummary::getVersion).toList();
    try {
      advice.recommend(new Profile().requestsPerDay(-1.0), null, null);
      throw new IllegalStateException("nothing was refused");
    } catch (ApiException refused) {
      ProblemDocument problem = json.readValue(refused.getResponseBody(), ProblemDocument.class);
      List<String> pointers = problem.getErrors().stream().map(FieldError::getPointer).toList();
      System.out.println(
          json.writeValueAsString(
              Map.of("strategy", strategy, "versions", versions, "problem", problem.getCode(), "pointers", pointers)));
    }
  }
}
